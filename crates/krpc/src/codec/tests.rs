//! What goes out comes back, what must not pass does not, and nothing is too long.

use bytes::Bytes;
use khashmir_types::Contact;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::message::{ErrorCode, MAX_NODES_PER_REPLY, MAX_VALUE, Reply, Token};

mod reference;

const SENDER: Id = Id::new([0xaa; Id::LEN]);

fn t() -> TransactionId {
    TransactionId::from_slice(&[b'T'; 20]).unwrap()
}

/// Bytes of a level in a query.
const MARK_LEN: usize = b"1:v4:KM\x00\x01".len();

/// A ping's frame around other arguments or another method.
fn query(arguments: &str, method: &str) -> Vec<u8> {
    format!("d1:ad{arguments}e1:q{}:{method}1:t1:T1:y1:qe", method.len()).into_bytes()
}

fn refusal(datagram: &[u8]) -> Option<ErrorCode> {
    match decode(datagram) {
        Ok(Message::Refused { refusal, .. }) => Some(refusal.code()),
        _ => None,
    }
}

fn read_reply(datagram: &[u8], method: Method) -> Result<(Id, Reply), MalformedReply> {
    match decode(datagram) {
        Ok(Message::Reply { body, .. }) => body.read(method),
        other => panic!("{other:?}"),
    }
}

fn reply(results: &str, method: Method) -> Reply {
    let datagram = format!("d1:rd2:id20:{}{results}e1:t1:T1:y1:re", "i".repeat(20));
    read_reply(datagram.as_bytes(), method).unwrap().1
}

fn find_value(nodes: Vec<Contact>, values: Vec<Bytes>) -> Reply {
    Reply::FindValue { nodes, num: values.len() as u64, values }
}

fn id() -> impl Strategy<Value = Id> {
    any::<[u8; 20]>().prop_map(Id::new)
}

fn node_id() -> impl Strategy<Value = Id> {
    id().prop_filter("not null", |id| !id.is_null())
}

fn transaction() -> impl Strategy<Value = TransactionId> {
    vec(any::<u8>(), 0..=64).prop_map(|bytes| TransactionId::from_slice(&bytes).unwrap())
}

fn levels() -> impl Strategy<Value = Level> {
    (0_u16..4).prop_map(Level::new)
}

fn queries() -> impl Strategy<Value = Query> {
    let num = 0..=i64::MAX.unsigned_abs();
    prop_oneof![
        Just(Query::Ping),
        Just(Query::Join),
        id().prop_map(|target| Query::FindNode { target }),
        id().prop_map(|key| Query::FindValue { key }),
        (id(), num).prop_map(|(key, num)| Query::GetValue { key, num }),
        (id(), vec(any::<u8>(), 1..=MAX_VALUE), vec(any::<u8>(), 0..=64)).prop_map(|(key, value, token)| {
            Query::StoreValue { key, value: value.into(), token: Token::new(token) }
        }),
    ]
}

fn nodes() -> impl Strategy<Value = Vec<Contact>> {
    let contact = any::<[u8; 26]>().prop_map(|compact| Contact::from_compact(&compact));
    vec(contact, 0..=MAX_NODES_PER_REPLY)
}

fn replies() -> impl Strategy<Value = Reply> {
    let addr =
        (any::<[u8; 4]>(), 1..=u16::MAX).prop_map(|(ip, port)| std::net::SocketAddrV4::new(ip.into(), port));
    let token = vec(any::<u8>(), 1..=64).prop_map(Token::new);
    let values = vec(vec(any::<u8>(), 1..=300).prop_map(Bytes::from), 0..4);
    let num = 0..=i64::MAX.unsigned_abs();
    prop_oneof![
        Just(Reply::Ping),
        Just(Reply::StoreValue),
        proptest::option::of(addr).prop_map(|addr| Reply::Join { addr }),
        (nodes(), proptest::option::of(token)).prop_map(|(nodes, token)| Reply::FindNode { nodes, token }),
        (nodes(), num, values.clone()).prop_map(|(nodes, num, values)| Reply::FindValue {
            nodes,
            num,
            values
        }),
        values.prop_map(|values| Reply::GetValue { values }),
    ]
}

proptest! {
    #[test]
    fn a_query_comes_back_as_it_was(t in transaction(), id in node_id(), asked in queries(), level in levels()) {
        let datagram = encode_query_with(&t, &id, &asked, level);
        match decode(&datagram) {
            Ok(Message::Query { transaction, sender, query, level: told }) => {
                prop_assert_eq!((transaction, sender, query), (t, id, asked));
                let is_full = datagram.len() + MARK_LEN > MAX_DATAGRAM;
                prop_assert!(told == level || (told == Level::ORIGINAL && is_full), "{:?}", told);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_reply_comes_back_as_it_was(t in transaction(), id in id(), said in replies()) {
        let datagram = encode_reply_with(&t, &id, &said, Level::OURS).unwrap();
        match decode(&datagram) {
            Ok(Message::Reply { transaction, body }) => {
                prop_assert_eq!(transaction, t);
                prop_assert_eq!(body.read(said.method()), Ok((id, said)));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn an_error_comes_back_and_fits(t in transaction(), name in vec(any::<u8>(), 0..200)) {
        let datagram = encode_error(&t, &Refusal::unknown_method(&name));
        prop_assert!(datagram.len() <= MAX_DATAGRAM);
        match decode(&datagram) {
            Ok(Message::Error { transaction, code, .. }) => prop_assert_eq!((transaction, code), (t, 203)),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn values_fill_the_datagram(t in transaction(), sizes in vec(0_usize..1500, 0..40)) {
        let values: Vec<Bytes> = sizes.iter().map(|size| vec![b'v'; *size].into()).collect();
        let said = Reply::GetValue { values: values.clone() };
        let Ok(datagram) = encode_reply(&t, &SENDER, &said) else {
            let frame = encode_reply(&t, &SENDER, &Reply::GetValue { values: vec![] }).unwrap().len();
            let fits = |size: &usize| *size > 0 && frame + format!("{size}:").len() + size <= MAX_DATAGRAM;
            prop_assert!(!sizes.iter().any(fits));
            return Ok(());
        };
        prop_assert!(datagram.len() <= MAX_DATAGRAM);
        let read = read_reply(&datagram, Method::GetValue);
        let Ok((_, Reply::GetValue { values: sent })) = read else { panic!("{read:?}") };
        // What was sent is a subsequence, and nothing that was left out has room beside it.
        let mut rest = sent.iter().peekable();
        for value in values.iter().filter(|value| !value.is_empty()) {
            if rest.next_if_eq(&value).is_none() {
                prop_assert!(datagram.len() + value.len().to_string().len() + 1 + value.len() > MAX_DATAGRAM);
            }
        }
        prop_assert!(rest.next().is_none());
    }

    #[test]
    fn arbitrary_bytes_never_panic(datagram in vec(any::<u8>(), 0..100)) {
        let _ = decode(&datagram);
    }

    #[test]
    fn a_damaged_query_never_panics(asked in queries(), at: prop::sample::Index, byte: u8) {
        let mut datagram = encode_query(&t(), &SENDER, &asked).to_vec();
        let at = at.index(datagram.len());
        datagram[at] = byte;
        let _ = decode(&datagram);
        let _ = decode(&datagram[..at]);
    }

    #[test]
    fn a_damaged_reply_never_panics(said in replies(), at: prop::sample::Index, byte: u8) {
        let mut datagram = encode_reply(&t(), &SENDER, &said).unwrap().to_vec();
        let at = at.index(datagram.len());
        datagram[at] = byte;
        if let Ok(Message::Reply { body, .. }) = decode(&datagram) {
            let _ = body.read(said.method());
        }
    }

    #[test]
    fn the_largest_storable_value_fits_and_one_more_byte_does_not(token_len in 0_usize..1400) {
        let len = |value: usize| {
            let (value, token) = (vec![b'v'; value].into(), Token::new(vec![b't'; token_len]));
            encode_query(&t(), &SENDER, &Query::StoreValue { key: SENDER, value, token }).len()
        };
        let max = max_storable(token_len);
        prop_assert!(max == 0 || len(max) <= MAX_DATAGRAM);
        prop_assert!(len(max + 1) > MAX_DATAGRAM);
    }
}

#[test]
fn with_the_originals_token_1319_bytes_can_be_stored() {
    assert_eq!(MAX_STORABLE, 1319);
}

#[test]
fn one_value_of_the_largest_size_just_fits() {
    let values = |len| Reply::GetValue { values: vec![vec![b'v'; len].into()] };
    assert_eq!(
        encode_reply(&t(), &SENDER, &values(MAX_VALUE)).map(|datagram| datagram.len()),
        Ok(MAX_DATAGRAM)
    );
    assert_eq!(encode_reply(&t(), &SENDER, &values(MAX_VALUE + 1)), Err(ReplyTooLong));
}

#[test]
fn a_value_that_cannot_fit_hides_no_other() {
    let (large, small) = (Bytes::from(vec![b'v'; MAX_VALUE + 1]), Bytes::from_static(b"small"));
    let datagram =
        encode_reply(&t(), &SENDER, &Reply::GetValue { values: vec![large, small.clone()] }).unwrap();
    let sent = read_reply(&datagram, Method::GetValue).unwrap().1;
    assert_eq!(sent, Reply::GetValue { values: vec![small] });
}

#[test]
fn no_values_are_an_empty_list_not_an_error() {
    let datagram = encode_reply(&t(), &SENDER, &Reply::GetValue { values: vec![] }).unwrap();
    assert_eq!(datagram.len(), 76);
}

#[test]
fn an_ipv6_contact_is_left_out_of_a_reply() {
    let v6 = Contact::new(SENDER, "[2001:db8::1]:9977".parse().unwrap());
    let v4 = Contact::new(SENDER, "192.0.2.1:9977".parse().unwrap());
    let datagram = encode_reply(&t(), &SENDER, &find_value(vec![v6, v4], vec![])).unwrap();
    let sent = read_reply(&datagram, Method::FindValue).unwrap().1;
    assert_eq!(sent, find_value(vec![v4], vec![]));
}

#[test]
fn a_query_tells_our_level_between_its_transaction_and_its_type() {
    let datagram = encode_query_with(&t(), &SENDER, &Query::Ping, Level::OURS);
    assert!(datagram.ends_with(b"1:t20:TTTTTTTTTTTTTTTTTTTT1:v4:KM\x00\x011:y1:qe"));
    assert_eq!(datagram.len(), encode_query(&t(), &SENDER, &Query::Ping).len() + MARK_LEN);
}

#[test]
fn a_value_of_the_largest_size_leaves_no_room_for_our_level() {
    let store = |len| {
        let (value, token) = (vec![b'v'; len].into(), Token::new(vec![b't'; 20]));
        let query = Query::StoreValue { key: SENDER, value, token };
        let datagram = encode_query_with(&t(), &SENDER, &query, Level::OURS);
        assert!(datagram.len() <= MAX_DATAGRAM);
        match decode(&datagram) {
            Ok(Message::Query { level, .. }) => level,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(store(MAX_STORABLE - MARK_LEN), Level::OURS);
    assert_eq!(store(MAX_STORABLE - MARK_LEN + 1), Level::ORIGINAL);
    assert_eq!(store(MAX_STORABLE), Level::ORIGINAL);
}

#[test]
fn values_go_out_with_find_value_all_or_none_and_only_to_those_who_take_them() {
    let node = Contact::new(SENDER, "192.0.2.1:9977".parse().unwrap());
    let sent = |len, level| {
        let said = find_value(vec![node; 8], vec![vec![b'v'; len].into(), Bytes::from_static(b"small")]);
        let datagram = encode_reply_with(&t(), &SENDER, &said, level).unwrap();
        match read_reply(&datagram, Method::FindValue).unwrap().1 {
            Reply::FindValue { values, num: 2, nodes } if nodes.len() == 8 => (values.len(), datagram.len()),
            other => panic!("{other:?}"),
        }
    };
    let (values, plain) = sent(1000, Level::ORIGINAL);
    assert_eq!(values, 0);
    let room = MAX_DATAGRAM - plain - b"6:valuesl1000:5:smalle".len();
    assert_eq!(sent(room, Level::OURS), (2, MAX_DATAGRAM));
    assert_eq!(sent(room + 1, Level::OURS), (0, plain));
    assert_eq!(sent(room, Level::new(7)), (2, MAX_DATAGRAM));
}

#[test]
fn a_reply_at_the_end_of_a_buffer_is_the_same() {
    let node = Contact::new(SENDER, "192.0.2.1:9977".parse().unwrap());
    let mut buffer = bytes::BytesMut::from("before");
    for len in [10, 1000, MAX_VALUE, MAX_VALUE + 1] {
        let values = vec![vec![b'v'; len].into()];
        for said in [find_value(vec![node; 8], values.clone()), Reply::GetValue { values }] {
            let written = write_reply(&mut buffer, &t(), &SENDER, &said, Level::OURS);
            let expected = encode_reply_with(&t(), &SENDER, &said, Level::OURS);
            assert_eq!(written.map(|()| buffer.split_off(6).freeze()), expected);
            assert_eq!(buffer, "before");
        }
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let id = "2:id20:iiiiiiiiiiiiiiiiiiii";
    let key = "3:key20:kkkkkkkkkkkkkkkkkkkk";
    let null = format!("2:id20:{}", "\0".repeat(20));
    for (arguments, method) in [
        (String::new(), "ping"),
        (format!("{id}1:x0:"), "ping"),
        (format!("{id}4:self0:"), "join"),
        (null, "ping"),
        ("2:id19:iiiiiiiiiiiiiiiiiii".into(), "ping"),
        ("2:idli105ei105ee".into(), "ping"),
        ("2:idi5e".into(), "ping"),
        (format!("{id}6:targeti7e"), "find_node"),
        (format!("{id}{key}"), "find_node"),
        (format!("{id}3:key0:"), "find_value"),
        (format!("{id}{key}"), "get_value"),
        (format!("{id}{key}3:numi-1e"), "get_value"),
        (format!("{id}{key}3:num1:0"), "get_value"),
        (format!("{id}{key}5:token1:t5:valuei5e"), "store_value"),
        (format!("{id}{key}5:token1:t5:valueli1ee"), "store_value"),
        (format!("{id}{key}5:tokend1:ali1eee5:value1:v"), "store_value"),
        (format!("{id}{key}5:token1:t5:value0:"), "store_value"),
        (format!("{id}{key}5:token1:t5:value1392:{}", "v".repeat(1392)), "store_value"),
    ] {
        let datagram = query(&arguments, method);
        assert_eq!(refusal(&datagram), Some(ErrorCode::MalformedRequest), "{method} {arguments}");
    }
}

#[test]
fn an_unknown_method_is_refused_whatever_its_arguments() {
    assert_eq!(refusal(&query("", "get_peers")), Some(ErrorCode::UnknownMethod));
    assert_eq!(refusal(&query("", "")), Some(ErrorCode::UnknownMethod));
    assert_eq!(refusal(&query("", "Ping")), Some(ErrorCode::UnknownMethod));
}

#[test]
fn keys_that_are_not_text_are_refused_or_ignored_as_any_other() {
    let argument = [&b"d1:ad2:id20:iiiiiiiiiiiiiiiiiiii1:\xffi1ee1:q4:ping1:t1:T1:y1:qe"[..]].concat();
    assert_eq!(refusal(&argument), Some(ErrorCode::MalformedRequest));
    let top = [&b"d1:ad2:id20:iiiiiiiiiiiiiiiiiiiie1:q4:ping1:t1:T1:v4:abcd1:y1:q1:\xff0:e"[..]].concat();
    assert!(matches!(decode(&top), Ok(Message::Query { query: Query::Ping, .. })));
}

#[test]
fn what_is_no_message_has_no_answer() {
    for datagram in [
        &b"i1e"[..],
        b"le",
        b"de",
        b"d1:t1:T1:yi1ee",
        b"d1:t1:T1:y1:qe",
        b"d1:ade1:t1:T1:y1:qe",
        b"d1:a0:1:q4:ping1:t1:T1:y1:qe",
        b"d1:ade1:qi1e1:t1:T1:y1:qe",
        b"d1:ade1:q4:ping1:y1:qe",
        b"d1:ade1:q4:ping1:ti1e1:y1:qe",
        b"d1:rle1:t1:T1:y1:re",
        b"d1:eli203e1:x1:ye1:t1:T1:y1:ee",
        b"d1:el1:xi203ee1:t1:T1:y1:ee",
        b"d1:e1:x1:t1:T1:y1:ee",
        b"d1:y1:xe",
    ] {
        assert!(matches!(decode(datagram), Err(DecodeError::Envelope)), "{}", datagram.escape_ascii());
    }
}

#[test]
fn long_transaction_ids_and_datagrams_are_dropped() {
    let ping = |t: &str| {
        let id = "i".repeat(20);
        format!("d1:ad2:id20:{id}e1:q4:ping1:t{}:{t}1:y1:qe", t.len()).into_bytes()
    };
    assert!(matches!(decode(&ping("")), Ok(Message::Query { .. })));
    assert!(matches!(decode(&ping(&"T".repeat(64))), Ok(Message::Query { .. })));
    assert!(matches!(decode(&ping(&"T".repeat(65))), Err(DecodeError::TransactionId)));
    assert!(matches!(decode(&ping(&"T".repeat(MAX_INCOMING))), Err(DecodeError::TooLong)));
}

#[test]
fn a_bomb_of_nested_lists_is_dropped() {
    let bomb = [vec![b'l'; 1000], vec![b'e'; 1000]].concat();
    assert!(matches!(decode(&bomb), Err(DecodeError::Bencode(ScanError::TooDeep))));
    let bomb = [vec![b'l'; 5000], vec![b'e'; 5000]].concat();
    assert!(matches!(decode(&bomb), Err(DecodeError::TooLong)));
}

#[test]
fn an_unknown_type_keeps_its_transaction() {
    let decoded = decode(b"d1:t1:T1:y1:xe");
    assert!(matches!(decoded, Ok(Message::UnknownType { transaction }) if transaction.as_bytes() == b"T"));
}

#[test]
fn the_text_of_an_error_is_made_printable_and_short() {
    let datagram = format!("d1:eli201e200:\x1b[2J\r\n{}e1:t1:T1:y1:ee", "x".repeat(194));
    let Ok(Message::Error { text, .. }) = decode(datagram.as_bytes()) else { panic!("no error") };
    assert!(text.starts_with("\u{fffd}[2J\u{fffd}\u{fffd}xxx") && !text.contains(char::is_control));
    assert_eq!(text.chars().count(), MAX_ERROR_TEXT);
}

#[test]
fn a_reply_without_an_id_is_malformed() {
    for results in
        ["", "2:id0:", "2:id21:iiiiiiiiiiiiiiiiiiiii", "2:idi5e", "2:idd2:id20:iiiiiiiiiiiiiiiiiiiie"]
    {
        let datagram = format!("d1:rd{results}e1:t1:T1:y1:re");
        assert_eq!(read_reply(datagram.as_bytes(), Method::Ping), Err(MalformedReply), "{results}");
    }
}

#[test]
fn contacts_of_another_length_are_passed_over() {
    let good = Contact::from_compact(&[b'c'; 26]);
    let list = format!("5:nodesl25:{0}26:{0}ci5ele27:{0}cc0:e", "c".repeat(25));
    assert_eq!(reply(&list, Method::FindNode), Reply::FindNode { nodes: vec![good], token: None });
    assert_eq!(reply("5:nodes26:cccccccccccccccccccccccccc", Method::FindNode), reply("", Method::FindNode));
}

#[test]
fn at_most_16_contacts_are_taken() {
    let list = format!("5:nodesl{}e", format!("26:{}", "c".repeat(26)).repeat(60));
    let Reply::FindNode { nodes, .. } = reply(&list, Method::FindNode) else { panic!("another reply") };
    assert_eq!(nodes.len(), MAX_NODES_PER_REPLY);
}

#[test]
fn a_useless_token_is_none() {
    let token = |field: &str| match reply(&format!("5:token{field}"), Method::FindNode) {
        Reply::FindNode { token, .. } => token.map(|token| token.as_bytes().len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(token("1:t"), Some(1));
    assert_eq!(token(&format!("64:{}", "t".repeat(64))), Some(64));
    assert_eq!(token(&format!("65:{}", "t".repeat(65))), None);
    assert_eq!((token("0:"), token("i5e"), token("l1:te")), (None, None, None));
}

#[test]
fn a_useless_number_is_zero() {
    let num = |field: &str| match reply(&format!("3:num{field}"), Method::FindValue) {
        Reply::FindValue { num, .. } => num,
        other => panic!("{other:?}"),
    };
    assert_eq!((num("i3e"), num("i-1e"), num("1:3"), num("le")), (3, 0, 0, 0));
}

#[test]
fn only_strings_that_are_not_empty_are_values() {
    let values = |field: &str| match reply(&format!("6:values{field}"), Method::GetValue) {
        Reply::GetValue { values } => values,
        other => panic!("{other:?}"),
    };
    assert_eq!(values("l0:i1e1:ali1ei2ee1:be"), ["a", "b"]);
    assert!(values("3:abc").is_empty() && values("d1:a1:be").is_empty());
}

#[test]
fn a_useless_address_is_none() {
    let addr = |ip: &str, port: &str| match reply(&format!("7:ip_addr{ip}4:port{port}"), Method::Join) {
        Reply::Join { addr } => addr.map(|addr| addr.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(addr("7:1.2.3.4", "i65535e").as_deref(), Some("1.2.3.4:65535"));
    for (ip, port) in [
        ("7:1.2.3.4", "i0e"),
        ("7:1.2.3.4", "i-1e"),
        ("7:1.2.3.4", "i65536e"),
        ("7:1.2.3.4", "2:80"),
        ("9:999.1.1.1", "i1e"),
        ("8:01.2.3.4", "i1e"),
        ("9:localhost", "i1e"),
        ("3:::1", "i1e"),
        ("l7:1.2.3.4e", "i1e"),
    ] {
        assert_eq!(addr(ip, port), None, "{ip} {port}");
    }
    assert_eq!(reply("", Method::Join), Reply::Join { addr: None });
}

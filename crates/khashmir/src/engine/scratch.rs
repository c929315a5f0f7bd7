//! `Scratch`: memory for what a reply lists, used again for the next one. Knows not what is listed, nor for whom.

use bytes::Bytes;
use khashmir_krpc::Reply;
use khashmir_types::Contact;

/// Lists that are empty between two replies. As long as the longest reply so far, which a datagram bounds.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    nodes: Vec<Contact>,
    values: Vec<Bytes>,
}

impl Scratch {
    /// An empty list of nodes, to be brought back with the reply it is for.
    pub(super) fn nodes(&mut self) -> Vec<Contact> {
        std::mem::take(&mut self.nodes)
    }

    /// An empty list of values, to be brought back with the reply it is for.
    pub(super) fn values(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.values)
    }

    /// Takes back what `reply` has borrowed.
    pub(super) fn take_back(&mut self, reply: Reply) {
        match reply {
            Reply::FindNode { nodes, .. } => self.keep_nodes(nodes),
            Reply::FindValue { nodes, values, .. } => {
                self.keep_nodes(nodes);
                self.keep_values(values);
            }
            Reply::GetValue { values } => self.keep_values(values),
            Reply::Ping | Reply::Join { .. } | Reply::StoreValue => {}
        }
    }

    fn keep_nodes(&mut self, mut nodes: Vec<Contact>) {
        nodes.clear();
        self.nodes = nodes;
    }

    fn keep_values(&mut self, mut values: Vec<Bytes>) {
        values.clear();
        self.values = values;
    }
}

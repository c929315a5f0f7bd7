//! The texts of the help, and the topics of `khashmir help`.

use clap::CommandFactory;

use crate::args::{Args, HelpArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) const ABOUT: &str = "\
Khashmir is the distributed hash table of apt-p2p: many values under one key, kept by the nodes closest to it, \
for three hours unless they are stored again. Nodes talk KRPC over UDP.

Data goes to stdout, everything else to stderr. Text may change between minor releases; with --json, fields are \
only added.";

pub(crate) const EXAMPLES: &str = "\
Examples:
  khashmir demo                                         a whole network in this process
  khashmir node -b 127.0.0.1:9977 -d /tmp/khashmir      a first node, on this machine only
  khashmir put -B 127.0.0.1:9977 text:hello 'a value'
  khashmir get -B 127.0.0.1:9977 text:hello";

pub(crate) const MORE: &str = "\
Examples:
  khashmir demo                                         a whole network in this process
  khashmir node -b 127.0.0.1:9977 -d /tmp/khashmir      a first node, on this machine only
  khashmir put -B 127.0.0.1:9977 text:hello 'a value'
  khashmir get -B 127.0.0.1:9977 text:hello

Environment:
  KHASHMIR_BOOTSTRAP      as --bootstrap, separated by commas
  KHASHMIR_STATE          as --state
  KHASHMIR_BIND           as --bind, for node only
  KHASHMIR_ALLOW_PRIVATE  as --allow-private
  KHASHMIR_PRESET         as --preset
  KHASHMIR_LOG            what to log, such as info or khashmir=debug; else RUST_LOG
  NO_COLOR, CLICOLOR_FORCE
An empty variable counts as unset.

See also: khashmir help exit-codes, khashmir help json, khashmir help keys";

pub(crate) const NODE: &str = "\
Examples:
  khashmir node -d /var/lib/khashmir -B boot.example.org:9977
  khashmir node -b 127.0.0.1:9977                       a first node, on this machine only
  khashmir node -b 127.0.0.1:0 -B 127.0.0.1:9977        a second one

It stops on SIGINT, SIGTERM or SIGHUP: what it holds is saved, and it exits with 0.";

pub(crate) const GET: &str = "\
Examples:
  khashmir get -B boot.example.org:9977 text:hello
  khashmir get -n 1 aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d
  khashmir get --json file:./bash_5.2.deb

Exits with 0 if there is a value, with 1 if the network has none.";

pub(crate) const PUT: &str = "\
Examples:
  khashmir put -B boot.example.org:9977 text:hello 'a value'
  hostname | khashmir put --min-stored 3 file:./bash_5.2.deb -
  khashmir put text:motd -f /etc/motd";

pub(crate) const LOOKUP: &str = "\
Examples:
  khashmir lookup -B boot.example.org:9977 text:hello
  khashmir lookup -k 20 --json aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";

pub(crate) const PING: &str = "\
Examples:
  khashmir ping boot.example.org:9977
  khashmir ping -n 5 -t 3s 127.0.0.1:9977 127.0.0.1:9978";

pub(crate) const DEMO: &str = "\
Examples:
  khashmir demo
  khashmir demo --nodes 50 --seed 7
  khashmir demo --json

All nodes are on 127.0.0.1, at free ports; their files are in a temporary directory and are removed at the end.
Exits with 0 if every value was found.";

pub(crate) const SIM: &str = "\
Examples:
  khashmir sim scenarios/quickstart.toml
  khashmir sim scenarios/dead-and-loss.toml --seed 7 --nodes 10000
  khashmir sim scenarios/churn-1h.toml --json > churn.jsonl

The engines are those of khashmir node; datagrams, clocks and disks are simulated. Equal scenarios,
seeds and numbers of nodes give equal runs, whatever the number of threads: the digest shows it.

Exits with 0 if all went as it should; with 1 if a fault that was asked for never happened, or an
expectation of the scenario was not met; with 78 if the scenario is wrong.";

const KEYS: &str = "\
A key is a 160-bit number. It is written in one of three ways, so that a typing error never becomes another key:

  aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d     the number itself, 40 hex digits
  text:hello                                   the SHA-1 of a text (here: the number above)
  file:./bash_5.2.deb                          the SHA-1 of a file's content, as apt-p2p names packages";

const JSON: &str = "\
With --json, stdout has one object per line. Each has a \"type\"; the last line is always the summary, whose
\"result\" says in one word how it went. Fields are only ever added. Times are in milliseconds.

  get      {\"type\":\"value\",\"key\",\"value_base64\",\"text\",\"from\",\"source\",\"elapsed_ms\"} for each value;
           \"text\" is null if the value is not UTF-8, \"source\" is \"network\" or \"local\"
  put      the summary only: \"stored\", \"asked\", \"nodes\", \"expires_ms\"
  lookup   {\"type\":\"node\",\"rank\",\"id\",\"addr\",\"shared_bits\"} for each node, closest first
  ping     {\"type\":\"pong\",\"host\",\"addr\",\"id\",\"rtt_ms\"} or {\"type\":\"no_pong\",\"host\",\"addr\",\"reason\"}
  node     {\"type\":\"ready\",\"id\",\"addr\",…} once it serves; then \"joined\", \"not_joined\", \"alone\" as they happen
  demo     {\"type\":\"step\",\"step\",…} for each step
  sim      {\"type\":\"operations\",\"name\",…} for each kind of operation, {\"type\":\"traffic\",\"name\",…}, then one \"tables\"
           and one \"faults\"; the summary has the \"seed\", the \"digest\" and the \"command\" that repeats the run

What came of questions to nodes: \"queried\", \"answered\", \"timed_out\", \"errors\", \"invalid\", \"unsent\", \"pending\", and
\"hops\"; \"complete\" is false if something was cut short.

Errors are objects on stderr: {\"type\":\"error\",\"code\":\"E_NOT_JOINED\",\"message\",\"help\"}. The summary then has the result
\"error\" and the same code.";

/// Explains a command or a topic, or everything.
pub(crate) fn run(args: &HelpArgs, output: &Output) -> anyhow::Result<Exit> {
    let text = match args.topic.as_deref() {
        None => Args::command().render_long_help().to_string(),
        Some("exit-codes") => exit_codes(),
        Some("keys") => KEYS.to_owned(),
        Some("json") => JSON.to_owned(),
        Some(name) => command(name)?,
    };
    output.raw(text.trim_end().as_bytes())?;
    Ok(Exit::Done)
}

fn command(name: &str) -> Result<String, Failure> {
    let mut args = Args::command();
    // Building it hands the global options and the program's name down.
    args.build();
    let found = args.find_subcommand_mut(name).map(|command| command.render_long_help().to_string());
    found.ok_or_else(|| {
        Failure::usage(format!("there is neither a command nor a topic {name:?}"))
            .help("the topics are exit-codes, json and keys; khashmir --help lists the commands")
    })
}

fn exit_codes() -> String {
    let lines = Exit::ALL.map(|exit| format!("{:>5}  {}", exit.number(), exit.meaning()));
    format!("The program ends with:\n\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_explained_once_and_in_order() {
        let numbers = Exit::ALL.map(Exit::number);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_eq!(exit_codes().lines().count(), Exit::ALL.len() + 2);
    }

    #[test]
    fn every_command_has_its_page() {
        for name in ["node", "get", "put", "lookup", "ping", "demo", "sim"] {
            assert!(command(name).unwrap().contains("Examples:"), "{name}");
        }
        assert!(command("nod").is_err());
    }
}

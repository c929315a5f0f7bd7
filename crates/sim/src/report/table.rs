//! The table that people read. Knows how numbers look, and nothing of how they came about.

use std::fmt;

use super::{Latency, Measured, Operations, Report, Spread, Traffic};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.write_operations(f)?;
        self.write_tables(f)?;
        let rows = self.traffic.iter().map(traffic_row).collect();
        write_block(
            f,
            &["traffic", "seconds", "nodes", "datagrams", "per node and min", "bytes per n and m"],
            rows,
        )?;
        let faults = self.faults.iter().filter(|(_, count)| **count > 0);
        let faults = faults.map(|(name, count)| vec![name.clone(), whole(*count as f64)]).collect();
        write_block(f, &["faults", "times"], faults)?;
        match (self.is_complete, self.failure()) {
            (false, _) => writeln!(f, "\nstopped before its end"),
            (true, Some(reason)) => writeln!(f, "\nfailed: {reason}"),
            (true, None) => Ok(()),
        }
    }
}

impl Report {
    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.about.is_empty() {
            writeln!(f, "{}", self.about)?;
        }
        let (nodes, living) = (whole(self.nodes as f64), whole(self.living as f64));
        writeln!(
            f,
            "{nodes} nodes, {living} honest ones running at the end; seed {}, digest {}",
            self.seed, self.digest
        )?;
        let (all, work) = (self.virtual_seconds, self.work_seconds);
        writeln!(
            f,
            "{} s of virtual time, {} s after the start; {} events",
            whole(all),
            whole(work),
            whole(self.events as f64)
        )?;
        if let Some(Measured { wall, start, start_events, resident_bytes, threads }) = &self.measured {
            let (seconds, start) = (wall.as_secs_f64(), start.as_secs_f64());
            let rate = self.events.saturating_sub(*start_events) as f64 / (seconds - start).max(1e-3);
            write!(
                f,
                "{seconds:.1} s on {threads} threads, {start:.1} s of them for the start, then {} events a second",
                whole(rate)
            )?;
            if let Some(bytes) = resident_bytes {
                let each = *bytes as f64 / self.nodes as f64;
                write!(f, "; {} MB, {each:.0} bytes a node", whole(*bytes as f64 / 1e6))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_operations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.operations.iter().map(operations_row).collect();
        write_block(f, &["operations", "asked", "success", "all closest", "cut off"], rows)?;
        let rows = self.operations.iter().flat_map(|operations| {
            let first = ("first value", &operations.first_value);
            let latencies = [first, ("end", &operations.completion)].into_iter();
            latencies
                .filter_map(|(what, latency)| Some(latency_row(&operations.name, what, latency.as_ref()?)))
        });
        write_block(f, &["milliseconds to", "mean", "p50", "p95", "p99", "max", "over 1 s"], rows.collect())?;
        let rows = self.operations.iter().filter_map(cost_row).collect();
        let header =
            ["each took", "hops", "max", "queries", "p99", "max", "timed out", "bytes", "p50", "p99"];
        write_block(f, &header, rows)
    }

    fn write_tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = &self.tables;
        let contacts = tables.contacts.map_or_else(String::new, |contacts| format!("{:.1}", contacts.mean));
        let row = vec![
            format!("{} of them", whole(tables.sampled as f64)),
            contacts,
            percent(tables.knows_closest),
            percent(tables.knows_all),
            percent(tables.dead),
            whole(tables.isolated as f64),
        ];
        write_block(
            f,
            &["routing tables", "entries", "know closest", "know all", "dead entries", "isolated"],
            vec![row],
        )
    }
}

fn operations_row(operations: &Operations) -> Vec<String> {
    vec![
        operations.name.clone(),
        whole(operations.asked as f64),
        percent(operations.success),
        operations.found_all.map_or_else(String::new, percent),
        whole(operations.cut_off as f64),
    ]
}

fn latency_row(name: &str, what: &str, latency: &Latency) -> Vec<String> {
    let Spread { mean, p50, p95, p99, max, .. } = latency.spread;
    let times = [mean, p50, p95, p99, max].map(whole);
    let name = format!("{name}: {what}");
    std::iter::once(name).chain(times).chain(std::iter::once(percent(latency.over_1s))).collect()
}

/// Means, unless the column says otherwise.
fn cost_row(operations: &Operations) -> Option<Vec<String>> {
    let (hops, queries) = (operations.hops?, operations.queries?);
    let (timed_out, bytes) = (operations.timed_out?, operations.bytes?);
    Some(vec![
        operations.name.clone(),
        format!("{:.2}", hops.mean),
        whole(hops.max),
        format!("{:.1}", queries.mean),
        whole(queries.p99),
        whole(queries.max),
        format!("{:.2}", timed_out.mean),
        whole(bytes.mean),
        whole(bytes.p50),
        whole(bytes.p99),
    ])
}

fn traffic_row(traffic: &Traffic) -> Vec<String> {
    vec![
        traffic.name.clone(),
        whole(traffic.seconds),
        whole(traffic.nodes),
        whole(traffic.datagrams as f64),
        format!("{:.2}", traffic.datagrams_per_node_minute),
        whole(traffic.bytes_per_node_minute),
    ]
}

/// Writes an empty line, a header and rows, in columns: the first to the left, the others to the right. Nothing if
/// there are no rows.
fn write_block(f: &mut fmt::Formatter<'_>, header: &[&str], rows: Vec<Vec<String>>) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let header = header.iter().map(|name| (*name).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |line: &Vec<String>, column: usize| line.get(column).map_or(0, |cell| cell.chars().count());
    let widest = |column| lines.iter().map(|line| width(line, column)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    writeln!(f)?;
    for line in &lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            text += &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}

/// A number without decimals, its thousands apart.
fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share, so that one in ten thousand can be seen, and all is told from almost all.
fn percent(share: f64) -> String {
    if share == 1.0 { "100 %".to_owned() } else { format!("{:.2} %", (share * 1e4).floor() / 1e2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        for (number, text) in [(0.0, "0"), (999.0, "999"), (1000.0, "1,000"), (1234567.4, "1,234,567")] {
            assert_eq!(whole(number), text);
        }
        for (share, text) in [(1.0, "100 %"), (0.99999, "99.99 %"), (0.5, "50.00 %"), (0.0, "0.00 %")] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn columns_are_aligned() {
        struct Block;
        impl fmt::Display for Block {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_block(f, &["a", "count"], vec![vec!["longer".to_owned(), "7".to_owned()]])
            }
        }
        assert_eq!(Block.to_string(), "\na       count\nlonger      7\n");
    }
}

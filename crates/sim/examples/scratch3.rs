//! scratch3
#![allow(missing_docs, clippy::print_stdout)]
use khashmir_sim::*;
fn main() {
    let text = std::io::read_to_string(std::io::stdin()).unwrap();
    let a: Vec<String> = std::env::args().collect();
    let n: usize = a[1].parse().unwrap();
    let threads: usize = a[2].parse().unwrap();
    let t = std::time::Instant::now();
    let mut run = Run::new(Scenario::parse(&text).unwrap(), 7, Some(n), threads).unwrap();
    while let Step::Running(_) = run.step() {}
    let r = run.report();
    println!("{r}");
    println!(
        "wall {:?} {}",
        t.elapsed(),
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .filter(|l| l.starts_with("VmHWM"))
            .collect::<String>()
    );
}

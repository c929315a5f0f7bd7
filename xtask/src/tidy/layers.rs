//! Rule: a crate depends only on the crates below it; the sibling layers never on one another.

use super::tree::Tree;
use super::violation::Violation;
use crate::workspace::{Dependency, DependencyKind, Package};

const RULE: &str = "layers";

const TYPES: &str = "khashmir-types";
const RECORDINGS: &str = "khashmir-recordings";
const SIM: &str = "khashmir-sim";

/// The crates that share nothing but their vocabulary.
const SIBLINGS: [&str; 4] = ["khashmir-krpc", "khashmir-routing", "khashmir-storage", "khashmir-actions"];

pub(super) fn check(packages: &[Package], tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in packages {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == package.name) else {
            let advice =
                format!("say in LAYERS (xtask/src/tidy/layers.rs) what `{}` may depend on", package.name);
            violations.push(violation(&package.manifest, 1, advice));
            continue;
        };
        let ours = |dependency: &&Dependency| packages.iter().any(|package| package.name == dependency.name);
        for dependency in package.dependencies.iter().filter(ours).filter(|edge| !layer.allows(edge)) {
            let line = tree.text(&package.manifest).map_or(1, |manifest| declaration(manifest, dependency));
            violations.push(violation(&package.manifest, line, layer.advice(dependency)));
        }
    }
    violations
}

/// What a crate may depend on within the workspace.
struct Layer {
    name: &'static str,
    /// Crates it may use.
    uses: &'static [&'static str],
    /// Crates its tests may use beside those.
    tests_use: &'static [&'static str],
}

impl Layer {
    fn allows(&self, dependency: &Dependency) -> bool {
        let name = dependency.name.as_str();
        self.uses.contains(&name) || dependency.kind == DependencyKind::Dev && self.tests_use.contains(&name)
    }

    fn advice(&self, dependency: &Dependency) -> String {
        let allowed = match self.uses {
            [] => "no other crate".to_owned(),
            uses => uses.join(", "),
        };
        let kind = match dependency.kind {
            DependencyKind::Normal => "dependency",
            DependencyKind::Dev => "dev-dependency",
            DependencyKind::Build => "build-dependency",
        };
        let (layer, name) = (self.name, &dependency.name);
        if SIBLINGS.contains(&self.name) && SIBLINGS.contains(&name.as_str()) {
            return format!("remove the {kind} on `{name}`: sibling layers are joined only in `khashmir`");
        }
        format!("remove the {kind} on `{name}`: `{layer}` may use {allowed}")
    }
}

fn violation(manifest: &str, line: usize, advice: String) -> Violation {
    Violation { path: manifest.to_owned(), line, rule: RULE, advice }
}

/// The line of `manifest` that declares `dependency`; 1 if it is written in an unusual way.
fn declaration(manifest: &str, dependency: &Dependency) -> usize {
    let table = match dependency.kind {
        DependencyKind::Normal => "[dependencies]",
        DependencyKind::Dev => "[dev-dependencies]",
        DependencyKind::Build => "[build-dependencies]",
    };
    let lines = manifest.lines().enumerate();
    let declares = |line: &str| line.split(['.', '=', ' ']).next() == Some(dependency.name.as_str());
    let found = lines.skip_while(|(_, line)| line.trim() != table).find(|(_, line)| declares(line));
    found.map_or(1, |(index, _)| index + 1)
}

const LAYERS: [Layer; 13] = [
    Layer { name: TYPES, uses: &[], tests_use: &[RECORDINGS] },
    Layer { name: SIBLINGS[0], uses: &[TYPES], tests_use: &[RECORDINGS] },
    Layer { name: SIBLINGS[1], uses: &[TYPES], tests_use: &[RECORDINGS] },
    Layer { name: SIBLINGS[2], uses: &[TYPES], tests_use: &[RECORDINGS] },
    Layer { name: SIBLINGS[3], uses: &[TYPES], tests_use: &[RECORDINGS] },
    Layer {
        name: "khashmir",
        uses: &[TYPES, SIBLINGS[0], SIBLINGS[1], SIBLINGS[2], SIBLINGS[3]],
        tests_use: &[RECORDINGS],
    },
    Layer { name: SIM, uses: &["khashmir"], tests_use: &[] },
    Layer { name: "khashmir-cli", uses: &["khashmir", SIM], tests_use: &[RECORDINGS] },
    Layer {
        name: "khashmir-tests",
        uses: &[],
        tests_use: &[
            TYPES,
            SIBLINGS[0],
            SIBLINGS[1],
            SIBLINGS[2],
            SIBLINGS[3],
            "khashmir",
            SIM,
            "khashmir-fuzz",
            RECORDINGS,
        ],
    },
    Layer { name: "khashmir-fuzz", uses: &["khashmir"], tests_use: &[RECORDINGS] },
    Layer { name: "khashmir-bench", uses: &["khashmir"], tests_use: &[] },
    Layer { name: RECORDINGS, uses: &[], tests_use: &[] },
    Layer { name: "xtask", uses: &[], tests_use: &[] },
];

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;

    fn package(name: &str, dependencies: &[(&str, DependencyKind)]) -> Package {
        let edge = |(name, kind): &(&str, DependencyKind)| Dependency { name: (*name).into(), kind: *kind };
        let manifest = format!("crates/{name}/Cargo.toml");
        let dependencies = dependencies.iter().map(edge).collect();
        Package { name: name.into(), version: "0.1.0".into(), manifest, dependencies }
    }

    /// What is found if `name` depends so on `on`, and all crates of the map exist.
    fn advice(name: &str, on: &str, kind: DependencyKind) -> Option<String> {
        let others = LAYERS.iter().filter(|layer| layer.name != name).map(|layer| package(layer.name, &[]));
        let mut packages: Vec<Package> = others.collect();
        packages.push(package(name, &[(on, kind), ("bytes", DependencyKind::Normal)]));
        check(&packages, &tree(&[])).pop().map(|violation| violation.advice)
    }

    #[test]
    fn sibling_layers_never_depend_on_one_another() {
        for (layer, sibling) in
            SIBLINGS.iter().flat_map(|a| SIBLINGS.map(|b| (*a, b))).filter(|(a, b)| a != b)
        {
            for kind in [DependencyKind::Normal, DependencyKind::Dev, DependencyKind::Build] {
                let advice = advice(layer, sibling, kind).expect("a forbidden edge");
                assert!(advice.contains("joined only in `khashmir`"), "{advice}");
            }
            assert_eq!(advice(layer, TYPES, DependencyKind::Normal), None);
            assert_eq!(advice(layer, RECORDINGS, DependencyKind::Dev), None);
            assert!(advice(layer, RECORDINGS, DependencyKind::Normal).is_some());
            assert!(advice(layer, "khashmir", DependencyKind::Dev).is_some());
        }
    }

    #[test]
    fn the_program_knows_only_the_facade_and_the_simulator() {
        assert_eq!(advice("khashmir-cli", "khashmir", DependencyKind::Normal), None);
        assert_eq!(advice("khashmir-cli", SIM, DependencyKind::Normal), None);
        assert!(advice("khashmir", SIM, DependencyKind::Dev).is_some());
        for layer in SIBLINGS.iter().chain(&[TYPES]) {
            assert_eq!(advice("khashmir", layer, DependencyKind::Normal), None);
            assert!(advice("khashmir-cli", layer, DependencyKind::Normal).is_some());
            assert!(advice(TYPES, layer, DependencyKind::Normal).is_some() || *layer == TYPES);
        }
        assert!(advice("khashmir", "khashmir-cli", DependencyKind::Normal).is_some());
    }

    #[test]
    fn an_unknown_crate_must_be_placed_in_the_map() {
        let found = check(&[package("khashmir-news", &[])], &tree(&[]));
        assert!(found[0].to_string().starts_with("crates/khashmir-news/Cargo.toml:1: layers: say in LAYERS"));
    }

    #[test]
    fn the_line_of_the_declaration_is_found() {
        let manifest = "[dependencies]\nbytes = \"1\"\n\n[dev-dependencies]\nbytes-more = \"1\"\nbytes.workspace = true\n";
        let edge = |name: &str, kind| Dependency { name: name.into(), kind };
        assert_eq!(declaration(manifest, &edge("bytes", DependencyKind::Normal)), 2);
        assert_eq!(declaration(manifest, &edge("bytes", DependencyKind::Dev)), 6);
        assert_eq!(declaration(manifest, &edge("tokio", DependencyKind::Normal)), 1);
    }
}

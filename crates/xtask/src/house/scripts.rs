//! Reads what a TypeScript source imports from its neighbours. Packages are of no interest here.

use crate::house::tree::{Tree, beside};

/// The files of this client that a source imports or passes on, with the names.
pub(crate) fn imports(tree: &Tree, file: &str, text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut add = |path: &str, name: &str| {
        if let Some(to) = neighbour(tree, file, path) {
            found.push((to, name.trim().trim_start_matches("type ").to_owned()));
        }
    };
    for statement in statements(text) {
        let Some((what, path)) = statement.rsplit_once('"').and_then(|(before, _)| before.rsplit_once('"')) else {
            continue;
        };
        match what.split_once('{').and_then(|(_, names)| names.split_once('}')) {
            Some((names, _)) => names.split(',').filter(|name| !name.trim().is_empty()).for_each(|name| {
                add(path, name.split(" as ").next().unwrap_or_default());
            }),
            None => add(path, "all of it"),
        }
    }
    // the type of something elsewhere, written out: `import("./a.js").A`
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['/', '*'])) {
        for written in line.split("import(\"").skip(1) {
            if let Some((path, rest)) = written.split_once("\")") {
                let name: String = rest.trim_start_matches('.').chars().take_while(|c| c.is_alphanumeric()).collect();
                add(path, &name);
            }
        }
    }
    found
}

/// The statements that import, or export from elsewhere, each on one line.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    let begins = |line: &str| {
        ["import ", "import{", "export {", "export *", "export type {", "export type *"]
            .iter()
            .any(|begin| line.starts_with(begin))
    };
    while let Some(line) = lines.next() {
        if !begins(line) {
            continue;
        }
        let mut statement = line.to_owned();
        while !statement.contains(';') {
            let Some(line) = lines.next() else { break };
            statement.push(' ');
            statement.push_str(line.trim());
        }
        found.push(statement);
    }
    found
}

/// The source that `./name.js` means.
fn neighbour(tree: &Tree, file: &str, path: &str) -> Option<String> {
    if !path.starts_with('.') {
        return None;
    }
    let stem = beside(file, path.strip_suffix(".js").unwrap_or(path));
    [format!("{stem}.ts"), format!("{stem}/index.ts"), stem].into_iter().find(|file| tree.text(file).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        let tree = Tree::planted(&[("clients/js/src/b.ts", ""), ("clients/js/src/c/index.ts", "")]);
        let found = imports(&tree, "clients/js/src/a.ts", text);
        let shown = found.iter().map(|(file, name)| format!("{}:{name}", file.trim_start_matches("clients/js/src/")));
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form_of_an_import_is_read() {
        let text = "import { a, type B as C } from \"./b.js\";\nimport type {\n  D,\n} from \"./b.js\";\n\
            import * as e from \"./c\";\nimport \"./b.js\";\nexport { f } from \"./c/index.js\";\n\
            type G = import(\"./b.js\").G;\n";
        assert_eq!(found(text), "b.ts:a b.ts:B b.ts:D c/index.ts:all of it b.ts:all of it c/index.ts:f b.ts:G");
    }

    #[test]
    fn packages_comments_and_own_exports_are_no_imports() {
        let text = "import { useMemo } from \"react\";\n// import { a } from \"./b.js\";\n * import(\"./b.js\")\n\
            export const text = \"./b.js\";\nexport { own };\n";
        assert_eq!(found(text), "");
    }
}

//! The names of functions, where a module's compiler left them: in the custom section `name`.

use std::collections::BTreeMap;
use wasmparser::{KnownCustom, Name, NameSectionReader, Parser, Payload};

/// The names of a module's functions, by index, as far as they can be read.
pub fn of_functions(module: &[u8]) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        let Payload::CustomSection(section) = payload else { continue };
        if let KnownCustom::Name(section) = section.as_known() {
            read(section, &mut names);
        }
    }
    names
}

fn read(section: NameSectionReader<'_>, names: &mut BTreeMap<u32, String>) {
    for part in section.into_iter().map_while(Result::ok) {
        if let Name::Function(functions) = part {
            let named = functions.into_iter().map_while(Result::ok);
            names.extend(named.map(|naming| (naming.index, naming.name.to_owned())));
        }
    }
}

//! The origin of a file that is not a plugin: its format if it is not wasm, or the toolchain that made its imports,
//! and what to do.
//!
//! Both are tables, the first match first. A module is judged by the import that says most, not by the one that is listed
//! first: an Extism plugin imports WASI, too.

/// What a file is that does not begin as WebAssembly does, and what to do; `None` where it is unknown.
pub(crate) fn file_kind(bytes: &[u8]) -> Option<&'static str> {
    /// How files begin, and what they are.
    const MAGIC: [(&[u8], &str); 18] = [
        (b"\x1f\x8b", "it is compressed with gzip; send the .wasm file itself"),
        (b"PK\x03\x04", "it is a zip archive; send the .wasm file in it"),
        (b"\xfd7zXZ", "it is compressed with xz; send the .wasm file itself"),
        (b"\x28\xb5\x2f\xfd", "it is compressed with zstd; send the .wasm file itself"),
        (b"BZh", "it is compressed with bzip2; send the .wasm file itself"),
        (b"\x7fELF", "it is a native program (ELF); build for wasm32-unknown-unknown"),
        (b"\xcf\xfa\xed\xfe", "it is a native program (Mach-O); build for wasm32-unknown-unknown"),
        (b"\xce\xfa\xed\xfe", "it is a native program (Mach-O); build for wasm32-unknown-unknown"),
        (b"\xca\xfe\xba\xbe", "it is a native program or a Java class; build for wasm32-unknown-unknown"),
        (b"MZ", "it is a Windows program; build for wasm32-unknown-unknown"),
        (b"!<arch>", "it is a static library; in Cargo.toml, set [lib] crate-type = [\"cdylib\"]"),
        (b"BC\xc0\xde", "it is LLVM bitcode; link it to a .wasm file"),
        (
            b"version https://git-lfs",
            "it is a pointer of Git LFS; run `git lfs pull` and send the file itself",
        ),
        (
            b"\xef\xbb\xbf\0asm",
            "it begins with a byte order mark; send the bytes unchanged, without reading them as text",
        ),
        (b"AGFzb", "it is base64; send the decoded bytes"),
        (b"0061736d", "it is hexadecimal; send the decoded bytes"),
        (b"data:", "it is a data: URL; send the decoded bytes"),
        (b"--", "it is a multipart form; send the file as the body (curl --data-binary @plugin.wasm)"),
    ];
    if bytes.is_empty() {
        return Some("it is empty");
    }
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(what);
    }
    let head = bytes.get(..bytes.len().min(512)).unwrap_or_default();
    let is_text = |byte: &u8| *byte >= b' ' || matches!(byte, b'\n' | b'\r' | b'\t');
    if !head.iter().all(is_text) {
        return None;
    }
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    Some(if text.starts_with("(module") || text.starts_with("(component") || text.starts_with(";;") {
        "it is WebAssembly as text; assemble it (wat2wasm, or wasm-tools parse)"
    } else if text.starts_with('<') {
        "it is a web page, perhaps of an error; check the download"
    } else if text.starts_with('{') || text.starts_with('[') {
        "it is JSON; send the .wasm file as the body"
    } else {
        "it is text, perhaps source code; send the compiled .wasm file"
    })
}

/// How a name in an import is matched.
enum Name {
    Any,
    Is(&'static [&'static str]),
    Begins(&'static [&'static str]),
    /// Of at most so many letters.
    Short(usize),
}

impl Name {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(names) => names.contains(&text),
            Self::Begins(starts) => starts.iter().any(|start| text.starts_with(start)),
            Self::Short(most) => text.len() <= *most,
        }
    }
}

const EMSCRIPTEN: &str = "It was built by Emscripten for JavaScript. Pass -sSTANDALONE_WASM --no-entry -fno-exceptions, and leave out files, \
                          clocks and output";
const ASSEMBLYSCRIPT: &str = "It was built by AssemblyScript with a function of the browser. Leave out console, Date and Math.random, and pass \
                              `--use abort=` and `--use seed=` with functions of your own";
const WASM_BINDGEN: &str = "A dependency wants JavaScript (wasm-bindgen): switch off its `js` or `wasm-bindgen` feature, and build with cargo, \
                            not with wasm-pack";
const COMPONENT: &str =
    "It was built for WASI 0.2 (a component). Build a plain module for wasm32-unknown-unknown instead";
const MANAGED: &str = "It was built by a compiler whose runtime needs JavaScript or another host. Use a language that compiles to plain \
                       WebAssembly: Rust, C, Zig, TinyGo or AssemblyScript; the guide for other languages has examples";
const OTHER_HOST: &str = "It was built for another host, whose functions it calls. Write the plugin with Weir's SDK, or against ABI v1 as the \
                          guide for other languages shows";

/// What imports tell, those that tell most first: the module's name, the field's, what to do.
const TOOLCHAINS: [(Name, Name, &str); 24] = [
    (
        Name::Begins(&["extism"]),
        Name::Any,
        "It was built with a plugin kit of Extism, which calls Extism's host. Write the plugin with Weir's SDK, or against ABI v1 as \
         the guide for other languages shows",
    ),
    (
        Name::Begins(&["javy", "quickjs-provider"]),
        Name::Any,
        "It was built by Javy, which links the engine at run time. JavaScript cannot be a plugin so; AssemblyScript can",
    ),
    (
        Name::Is(&["gojs", "go"]),
        Name::Any,
        "It was built by Go for JavaScript (GOOS=js), whose runtime needs a browser. Use TinyGo with -target=wasm-unknown; the guide \
         for other languages has an example",
    ),
    (Name::Begins(&["__wbindgen", "wbg", "./"]), Name::Any, WASM_BINDGEN),
    (
        Name::Begins(&[
            "fastly_",
            "wapc",
            "wasmbus",
            "wasix_",
            "spin",
            "suborbital",
            "krustlet",
            "http_handler",
        ]),
        Name::Any,
        OTHER_HOST,
    ),
    (
        Name::Begins(&[
            "dart2wasm",
            "js_code",
            "javascript_kit",
            "dotnet",
            "teavm",
            "grain",
            "spectest",
            "moonbit",
            "GrainRuntime",
            "asyncify",
        ]),
        Name::Any,
        MANAGED,
    ),
    (Name::Begins(&["wasi:", "cm32p2", "[export]", "$root"]), Name::Any, COMPONENT),
    (Name::Is(&["env"]), Name::Begins(&["proxy_"]), OTHER_HOST),
    (
        Name::Is(&["env"]),
        Name::Begins(&["runtime.", "syscall/js."]),
        "It was built by TinyGo for JavaScript (-target=wasm). Use -target=wasm-unknown",
    ),
    (
        Name::Is(&["env"]),
        Name::Begins(&[
            "emscripten_",
            "_emscripten",
            "__syscall",
            "invoke_",
            "__cxa_",
            "_abort_js",
            "_dlopen_js",
            "__assert_fail",
            "_tzset_js",
            "_gmtime_js",
            "_localtime_js",
            "_mktime_js",
            "setTempRet0",
            "getTempRet0",
        ]),
        EMSCRIPTEN,
    ),
    (
        Name::Is(&["GOT.mem", "GOT.func"]),
        Name::Any,
        "It is a dynamic library (-fPIC). Link it as one module, without -shared, -sMAIN_MODULE and -sSIDE_MODULE",
    ),
    (
        Name::Is(&["env"]),
        Name::Is(&["seed", "trace", "console.log", "Date.now", "Math.random"]),
        ASSEMBLYSCRIPT,
    ),
    (Name::Is(&["index", "Date", "Math", "console"]), Name::Any, ASSEMBLYSCRIPT),
    (Name::Is(&["env"]), Name::Begins(&["console."]), ASSEMBLYSCRIPT),
    (
        Name::Is(&["env"]),
        Name::Is(&["abort"]),
        "AssemblyScript: pass `--use abort=` with a function of your own",
    ),
    (
        Name::Is(&["env"]),
        Name::Begins(&["__getrandom", "getrandom"]),
        "A dependency wants random numbers (getrandom), which a plugin does not have: it gives the same result for the same event. \
         Remove the dependency, or its feature that needs them",
    ),
    (
        Name::Is(&["env"]),
        Name::Is(&[
            "memory",
            "__memory_base",
            "__table_base",
            "__stack_pointer",
            "__indirect_function_table",
        ]),
        "It was linked to get its memory from outside, as Emscripten does. Pass -sSTANDALONE_WASM --no-entry, or link without \
         --import-memory",
    ),
    (
        Name::Is(&["a"]),
        Name::Short(2),
        "It was built by Emscripten with names made short (-O3). Pass -sSTANDALONE_WASM --no-entry",
    ),
    (
        Name::Begins(&["wasi_snapshot_preview1", "wasi_unstable"]),
        Name::Any,
        "It was built for WASI (Rust's wasm32-wasip1, wasi-sdk, TinyGo's -target=wasi, Go's GOOS=wasip1, Javy). Build for \
         wasm32-unknown-unknown instead, and leave out clocks, files and output; in TinyGo, use -target=wasm-unknown",
    ),
    (
        Name::Is(&["env"]),
        Name::Is(&[
            "printf", "puts", "putchar", "malloc", "free", "realloc", "memcpy", "memset", "memmove",
            "memcmp", "strlen", "strcmp", "abs", "exit", "sqrt", "pow", "floor", "fmod",
        ]),
        "It is a function of C's library, which was not linked. Link a libc for WebAssembly, or build with -nostdlib -ffreestanding \
         and define it yourself",
    ),
    (Name::Is(&["env"]), Name::Begins(&["swift", "kotlin", "_ZN", "hs_"]), MANAGED),
    (Name::Is(&["js", "host", "imports", "module"]), Name::Any, OTHER_HOST),
    (Name::Is(&["env"]), Name::Any, FALLBACK),
    (Name::Any, Name::Any, FALLBACK),
];

const FALLBACK: &str = "Find the dependency that declares it, or link without --allow-undefined";

/// What an import tells of where the module came from: what to do, and how little it tells (0 is most).
pub(crate) fn toolchain(module: &str, name: &str) -> (usize, &'static str) {
    let found = TOOLCHAINS.iter().enumerate().find(|(_, (of, at, _))| of.matches(module) && at.matches(name));
    found.map_or((TOOLCHAINS.len(), FALLBACK), |(rank, (.., advice))| (rank, *advice))
}

/// A name from a module, fit for a sentence: one line, and not long.
pub(crate) fn shown(name: &str) -> String {
    const MOST: usize = 80;
    let mut out: String = name.chars().take(MOST).flat_map(char::escape_debug).collect();
    if name.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wasm_is_named() {
        for (bytes, says) in [
            (&b""[..], "empty"),
            (b"\x1f\x8b\x08rest", "gzip"),
            (b"PK\x03\x04rest", "zip"),
            (b"\x7fELF\x02", "native program"),
            (b"MZ\x90", "Windows"),
            (b"!<arch>\n", "cdylib"),
            (b"(module (func))", "as text"),
            (b"  \n(component)", "as text"),
            (b"<!doctype html>", "web page"),
            (br#"{"a":1}"#, "JSON"),
            (b"fn main() {}", "source code"),
            (b"AGFzbQEAAAA=", "base64"),
            (b"0061736d01000000", "hexadecimal"),
            (b"data:application/wasm;base64,AGFzbQ==", "data: URL"),
            (b"------boundary\r\nContent-Disposition", "multipart form"),
            (b"\xef\xbb\xbf\0asm", "byte order mark"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        ] {
            assert!(
                file_kind(bytes).is_some_and(|what| what.contains(says)),
                "{says}: {:?}",
                file_kind(bytes)
            );
        }
        assert_eq!(file_kind(b"\x01\x02\x03"), None);
    }

    #[test]
    fn toolchains_are_known_by_their_imports() {
        for (module, name, says) in [
            ("env", "__cxa_throw", "Emscripten"),
            ("env", "_abort_js", "Emscripten"),
            ("env", "invoke_vi", "Emscripten"),
            ("GOT.mem", "x", "-fPIC"),
            ("./my_bg.js", "f", "wasm-bindgen"),
            ("__wbindgen_externref_xform__", "f", "wasm-bindgen"),
            ("env", "seed", "AssemblyScript"),
            ("env", "console.log", "AssemblyScript"),
            ("index", "log", "AssemblyScript"),
            ("env", "__getrandom_custom", "random numbers"),
            ("env", "printf", "C's library"),
            ("env", "proxy_log", "another host"),
            ("fastly_http_req", "x", "another host"),
            ("wasix_32v1", "x", "another host"),
            ("js_code", "kotlin.x", "runtime needs"),
            ("dart2wasm", "x", "runtime needs"),
            ("javascript_kit", "x", "runtime needs"),
            ("cm32p2|wasi:clocks", "x", "WASI 0.2"),
            ("[export]$root", "x", "WASI 0.2"),
            ("gojs", "runtime.x", "GOOS=js"),
            ("env", "runtime.ticks", "TinyGo"),
            ("wasi_snapshot_preview1", "fd_write", "WASI"),
            ("mine", "f", "--allow-undefined"),
        ] {
            let (_, advice) = toolchain(module, name);
            assert!(advice.contains(says), "{module} {name}: {advice}");
        }
        assert!(toolchain("extism:host/env", "x").0 < toolchain("wasi_snapshot_preview1", "fd_write").0);
        assert!(toolchain("env", "emscripten_x").0 < toolchain("wasi_snapshot_preview1", "fd_write").0);
    }

    #[test]
    fn a_name_is_shown_in_one_short_line() {
        assert_eq!(shown("a\nb\u{1b}"), "a\\nb\\u{1b}");
        assert_eq!(shown(&"x".repeat(3_000)).chars().count(), 81);
    }
}

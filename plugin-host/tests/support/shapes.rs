//! Plugins that repeat one shape of code until their fuel ends: what the search for slow instructions runs.
//!
//! The list goes through all instructions with ordinary and with awkward operands, and through what engines do between
//! instructions: saving values, merging branches, passing arguments, growing memory, missing caches. [`random`] makes more
//! of the same from a seed, put together at random.

#![allow(dead_code, unreachable_pub)]

use std::fmt::Write as _;

/// A plugin that runs one shape for ever.
pub struct Shape {
    pub name: String,
    /// Module fields besides what every plugin has.
    fields: String,
    /// The locals of the function that repeats it.
    locals: String,
    /// What is repeated.
    body: String,
    /// How often in each round of the loop.
    times: usize,
    /// Whether the processor is slow here, whatever runs on it: it waits for memory, misses a branch, or meets a number
    /// that it has to work on in microcode.
    pub processor: bool,
}

/// Locals that every shape has: two of each type, with ordinary values.
const LOCALS: &str =
    "(local $a i32) (local $b i32) (local $c i64) (local $d i64) (local $e f32) (local $f f32)
  (local $g f64) (local $h f64) (local $i i32)";

impl Shape {
    fn new(name: impl Into<String>, body: impl Into<String>) -> Self {
        let body = body.into();
        // Enough that the loop around it does not count, and little enough for the caches.
        let times = (600 / body.len().max(1)).clamp(1, 40);
        Self {
            name: name.into(),
            fields: String::new(),
            locals: String::new(),
            body,
            times,
            processor: false,
        }
    }

    fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn fields(mut self, fields: impl Into<String>) -> Self {
        self.fields = fields.into();
        self
    }

    fn locals(mut self, locals: impl Into<String>) -> Self {
        self.locals = locals.into();
        self
    }

    /// The plugin, not metered yet.
    pub fn wasm(&self) -> Vec<u8> {
        let Self { fields, locals, .. } = self;
        let body = format!("{}\n", self.body).repeat(self.times);
        let text = format!(
            r#"(module
  (memory (export "memory") 256)
  (data (i32.const 1024) "\20\00\00\00")
  (data $passive "0123456789abcdef0123456789abcdef")
  (table $t 1000 funcref)
  (elem (table $t) (i32.const 0) func $nothing $add $nothing $add)
  (elem $spare func $nothing $nothing $nothing $nothing $nothing $nothing $nothing $nothing)
  (global $counter (mut i64) (i64.const 1))
  (func $nothing)
  (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  {fields}
  (func $shape {LOCALS} {locals}
    (local.set $a (i32.const 7)) (local.set $b (i32.const 12345)) (local.set $c (i64.const 99))
    (local.set $d (i64.const 0x123456789abcdef)) (local.set $e (f32.const 1.5)) (local.set $f (f32.const 3.25))
    (local.set $g (f64.const 1.5)) (local.set $h (f64.const 3.25))
    (loop $again {body} (br $again)))
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param i32) (result i32) (call $shape) (i32.const 0)))"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// What the processor is slow at, by parts of the shapes' names.
const PROCESSOR: [&str; 8] =
    ["across a", "anywhere", "chain of loads", "overlaps", "tiny", "0x1p-", "foresee", "mixed code"];

/// All shapes of the list.
pub fn all() -> Vec<Shape> {
    let kinds = [numeric(), memory(), stacked(), branches(), calls(), runtime(), large()];
    let mut shapes: Vec<Shape> = kinds.into_iter().flatten().collect();
    for shape in &mut shapes {
        shape.processor = PROCESSOR.iter().any(|part| shape.name.contains(part));
    }
    shapes
}

fn numeric() -> Vec<Shape> {
    let mut shapes = Vec::new();
    let integers = [("i32", "$a", "$b"), ("i64", "$c", "$d")];
    for (ty, x, y) in integers {
        let binary = [
            "add", "sub", "mul", "and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr", "div_s",
            "div_u", "rem_s", "rem_u",
        ];
        for op in binary {
            shapes.push(Shape::new(
                format!("{ty}.{op}"),
                format!("(local.set {x} ({ty}.{op} (local.get {y}) (local.get {x})))\n(local.set {x} ({ty}.or (local.get {x}) ({ty}.const 1)))"),
            ));
            // Nothing is stored: the operator alone.
            shapes.push(Shape::new(
                format!("{ty}.{op} dropped"),
                format!("(drop ({ty}.{op} ({ty}.load (i32.const 0)) ({ty}.const -3)))"),
            ));
        }
        let least = if ty == "i32" { "0x7fffffff" } else { "0x7fffffffffffffff" };
        for op in ["div_s", "div_u", "rem_s", "rem_u"] {
            shapes.push(Shape::new(
                format!("{ty}.{op} wide"),
                format!("(local.set {x} ({ty}.{op} ({ty}.const {least}) ({ty}.or (local.get {x}) ({ty}.const 3))))"),
            ));
        }
        for op in ["clz", "ctz", "popcnt", "extend8_s", "extend16_s"] {
            shapes.push(Shape::new(
                format!("{ty}.{op}"),
                format!("(local.set {x} ({ty}.{op} (local.get {x})))"),
            ));
        }
        for op in ["eq", "ne", "lt_s", "lt_u", "gt_s", "ge_u"] {
            shapes.push(Shape::new(
                format!("{ty}.{op}"),
                format!("(local.set $i ({ty}.{op} (local.get {x}) (local.get {y})))"),
            ));
        }
    }
    shapes.extend(floats());
    shapes.extend(conversions());
    shapes.push(Shape::new("select", "(local.set $a (select (local.get $a) (local.get $b) (local.get $i)))"));
    shapes
        .push(Shape::new("local.tee", "(drop (local.tee $a (local.tee $b (local.tee $i (local.get $a)))))"));
    shapes.push(Shape::new("global", "(global.set $counter (i64.add (global.get $counter) (i64.const 3)))"));
    shapes.push(Shape::new("nop", "nop ".repeat(2000)).times(1));
    shapes.push(Shape::new("push and drop", "local.get $a drop i64.const 4 drop ".repeat(500)).times(1));
    shapes
}

fn floats() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (ty, x, y) in [("f32", "$e", "$f"), ("f64", "$g", "$h")] {
        let small = if ty == "f32" { "0x1p-140" } else { "0x1p-1060" };
        for op in ["add", "sub", "mul", "div", "min", "max", "copysign"] {
            shapes.push(Shape::new(
                format!("{ty}.{op}"),
                format!("(local.set {x} ({ty}.{op} (local.get {x}) (local.get {y})))"),
            ));
            for (what, left, right) in [
                ("tiny", small, "0.5"),
                ("tiny both", small, small),
                ("nan", "nan", "1"),
                ("infinite", "inf", "-inf"),
                ("zeros", "0", "-0"),
            ] {
                shapes.push(Shape::new(
                    format!("{ty}.{op} {what}"),
                    format!(
                        "(local.set {x} ({ty}.const {left})) (local.set {y} ({ty}.const {right}))
                         (local.set {x} ({ty}.{op} (local.get {x}) (local.get {y})))
                         (local.set {x} ({ty}.{op} (local.get {y}) (local.get {x})))"
                    ),
                ));
            }
        }
        for op in ["sqrt", "ceil", "floor", "trunc", "nearest", "abs", "neg"] {
            for value in ["2.5", "-1e30", small, "nan"] {
                shapes.push(Shape::new(
                    format!("{ty}.{op} {value}"),
                    format!(
                        "(local.set {x} ({ty}.const {value})) (local.set {y} ({ty}.{op} (local.get {x})))"
                    ),
                ));
            }
        }
    }
    shapes
}

fn conversions() -> Vec<Shape> {
    let conversions = [
        ("$a", "i32.trunc_sat_f64_u", "$g"),
        ("$a", "i32.trunc_sat_f32_s", "$e"),
        ("$a", "i32.trunc_f64_s", "$g"),
        ("$a", "i32.trunc_f32_u", "$e"),
        ("$c", "i64.trunc_sat_f64_u", "$g"),
        ("$c", "i64.trunc_sat_f32_s", "$e"),
        ("$c", "i64.trunc_f64_u", "$g"),
        ("$c", "i64.trunc_f32_s", "$e"),
        ("$e", "f32.convert_i64_u", "$d"),
        ("$e", "f32.convert_i32_u", "$a"),
        ("$e", "f32.demote_f64", "$h"),
        ("$g", "f64.convert_i64_u", "$d"),
        ("$g", "f64.convert_i32_s", "$a"),
        ("$g", "f64.promote_f32", "$f"),
        ("$c", "i64.reinterpret_f64", "$g"),
        ("$a", "i32.wrap_i64", "$d"),
    ];
    let shape = |(to, op, from): (&str, &str, &str)| {
        Shape::new(op, format!("(local.set {to} ({op} (local.get {from})))"))
    };
    conversions.into_iter().map(shape).collect()
}

/// The next pseudo-random number in `$i`.
const RANDOM: &str =
    "(local.set $i (i32.add (i32.mul (local.get $i) (i32.const 1664525)) (i32.const 1013904223)))";

fn memory() -> Vec<Shape> {
    let mut shapes = Vec::new();
    let loads = [
        "i32.load",
        "i64.load",
        "f32.load",
        "f64.load",
        "i32.load8_s",
        "i32.load16_u",
        "i64.load8_u",
        "i64.load16_s",
        "i64.load32_s",
    ];
    for op in loads {
        for (what, at) in [("", 4096), (" across a line", 4096 * 5 - 3), (" across a page", 65536 * 3 - 1)] {
            shapes.push(Shape::new(format!("{op}{what}"), format!("(drop ({op} (i32.const {at})))")));
        }
    }
    let stores = [
        ("i32.store", "$a"),
        ("i64.store", "$c"),
        ("f32.store", "$e"),
        ("f64.store", "$g"),
        ("i32.store8", "$a"),
        ("i64.store16", "$c"),
        ("i64.store32", "$c"),
    ];
    for (op, value) in stores {
        for (what, at) in [("", 4096), (" across a line", 4096 * 5 - 3), (" across a page", 65536 * 3 - 1)] {
            shapes.push(Shape::new(
                format!("{op}{what}"),
                format!("({op} (i32.const {at}) (local.get {value}))"),
            ));
        }
    }
    shapes.push(Shape::new(
        "a store that the next load overlaps",
        "(i32.store8 (i32.const 4099) (local.get $a)) (local.set $c (i64.load (i32.const 4096)))
         (local.set $a (i32.wrap_i64 (local.get $c)))",
    ));
    for (what, pages) in [("one page", 1u32), ("4 MiB", 64), ("16 MiB", 256)] {
        let mask = pages * 65536 - 64;
        shapes.push(Shape::new(
            format!("a load anywhere in {what}"),
            format!("{RANDOM} (local.set $a (i32.load (i32.and (local.get $i) (i32.const {mask}))))"),
        ));
        shapes.push(Shape::new(
            format!("a store anywhere in {what}"),
            format!("{RANDOM} (i32.store (i32.and (local.get $i) (i32.const {mask})) (local.get $i))"),
        ));
        // Each load says where the next one is: the processor can only wait.
        shapes.push(Shape::new(
            format!("a chain of loads through {what}"),
            format!(
                "(local.set $i (i32.and (i32.add (i32.mul (i32.add (local.get $i) (i32.load (local.get $i))) \
                 (i32.const 1664525)) (i32.const 1013904192)) (i32.const {mask})))"
            ),
        ));
    }
    shapes
}

/// Values on the stack, and what makes an engine look at all of them.
fn stacked() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for count in [1, 8, 64, 1_000, 4_000] {
        let drops = "drop ".repeat(count);
        let pushes = [
            ("gets", "local.get $a ".repeat(count)),
            (
                "gets of several",
                "local.get $a local.get $c local.get $g local.get $b ".repeat(count.div_ceil(4)),
            ),
            ("constants", "i32.const 77 ".repeat(count)),
        ];
        for (what, push) in pushes {
            let count = push.matches("get").count().max(push.matches("const").count());
            let drops = if count == drops.len() / 5 { drops.clone() } else { "drop ".repeat(count) };
            let ends = [
                ("set", "i32.const 3 local.set $a"),
                ("set to itself", "local.get $a local.set $a"),
                ("tee", "i32.const 3 local.tee $a drop"),
                ("block", "block end"),
                ("loop", "loop end"),
                ("if", "local.get $i if nop end"),
                ("if and else", "local.get $b if nop else nop end"),
                ("branch", "block local.get $i br_if 0 end"),
                ("branch taken", "block br 0 end"),
                ("call", "call $nothing"),
                ("call indirect", "i32.const 0 call_indirect"),
                ("load", "i32.const 0 i32.load drop"),
                ("fill", "i32.const 0 i32.const 0 i32.const 0 memory.fill"),
                ("grow", "i32.const 0 memory.grow drop"),
            ];
            for (end_name, end) in ends {
                // Twice, so that the second finds what the first has left.
                shapes.push(
                    Shape::new(format!("{count} {what}, {end_name}"), format!("{push} {end} {end} {drops}"))
                        .times((600 / count).clamp(1, 20)),
                );
            }
        }
        // The values stay while much happens above them.
        let above = "block local.get $i br_if 0 i32.const 5 local.set $a end ".repeat(20);
        let push = "local.get $a ".repeat(count);
        shapes
            .push(Shape::new(format!("{count} below branches"), format!("{push} {above} {drops}")).times(1));
        let above = "call $nothing ".repeat(20);
        shapes.push(Shape::new(format!("{count} below calls"), format!("{push} {above} {drops}")).times(1));
        let above = "loop local.get $i br_if 0 end ".repeat(20);
        shapes.push(Shape::new(format!("{count} below loops"), format!("{push} {above} {drops}")).times(1));
    }
    // The seed of this search: see `shapes_that_ran_for_minutes`.
    shapes.push(Shape::new("the listed module", listed()).times(80));
    shapes
}

/// What the report of the fault repeats 80 times.
fn listed() -> String {
    format!("{} i32.const 1 local.set $a {}", "local.get $a ".repeat(4_000), "drop ".repeat(4_000))
}

fn many(ty: &str, count: usize) -> String {
    format!("{ty} ").repeat(count)
}

fn branches() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for count in [1, 16, 255] {
        for (ty, value) in [("i32", "$a"), ("i64", "$c"), ("f64", "$g")] {
            let types = many(ty, count);
            let push = format!("local.get {value} ").repeat(count);
            let drops = "drop ".repeat(count);
            let shape = |name: &str, body: String| Shape::new(format!("{name} {count} {ty}"), body).times(2);
            shapes.push(shape("br with", format!("(block (result {types}) {push} br 0) {drops}")));
            // Each branch moves all values down by one slot, without pushing them anew.
            let (open, close) = ("i32.const 0 ".to_owned(), "br 0 end ".to_owned());
            let nest = format!("block (result {types}) {open}").repeat(16);
            shapes.push(shape("moves by br of", format!("{nest} {push} {} {drops}", close.repeat(16))));
            let close = format!("local.get $b br_if 0 {} unreachable end ", "drop ".repeat(count + 1));
            shapes.push(shape("moves by br_if of", format!("{nest} {push} {} {drops}", close.repeat(16))));
            let close = "local.get $i br_table 0 0 0 end ".to_owned();
            shapes.push(shape("moves by br_table of", format!("{nest} {push} {} {drops}", close.repeat(16))));
            let close = "local.get $i br_if 0 br 0 end ".to_owned();
            shapes.push(shape("br_if not taken with", format!("{nest} {push} {} {drops}", close.repeat(16))));
            let two =
                format!("block (result {types}) i32.const 0 block (result {types}) i32.const 0 ").repeat(8);
            let close = "local.get $i br_table 0 1 0 end br 0 end ".to_owned();
            shapes.push(shape(
                "br_table of two heights with",
                format!("{two} {push} {} {drops}", close.repeat(8)),
            ));
            // A loop whose parameters move by one slot each time.
            let (first, rest) =
                (format!("local.get {value} "), format!("(loop (param {types}) (result {types})"));
            shapes.push(
                shape(
                    "a loop's",
                    format!(
                        "{push} {first} {rest}  local.get $i i32.const 1 i32.add local.tee $i i32.const 63 i32.and br_if 0) drop {drops}"
                    ),
                ),
            );
            shapes.push(shape("if and else with", format!(
                "{push} local.get $i i32.const 1 i32.xor local.tee $i (if (param {types}) (result {types}) (then) (else)) {drops}"
            )));
        }
    }
    shapes.extend(tables());
    shapes.extend(merges());
    shapes
}

fn tables() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for count in [2usize, 100, 4_000] {
        let targets = count.min(200);
        let blocks = "block ".repeat(targets);
        let ends = "end ".repeat(targets);
        let list: String = (0..count).fold(String::new(), |mut list, n| {
            let _ = write!(list, "{} ", n * 7919 % targets);
            list
        });
        let body = format!(
            "{RANDOM} {blocks} (i32.rem_u (i32.shr_u (local.get $i) (i32.const 8)) (i32.const {count})) br_table {list} {ends}"
        );
        shapes.push(Shape::new(format!("br_table of {count}"), body).times(1));
        let body = format!("{blocks} local.get $i br_table {list} {ends}");
        shapes.push(Shape::new(format!("br_table of {count}, first"), body).times(1));
        let body = format!("{blocks} i32.const -1 br_table {list} {ends}");
        shapes.push(Shape::new(format!("br_table of {count}, default"), body).times(1));
    }
    let list = "0 1 ".repeat(32_000);
    shapes.push(
        Shape::new(
            "br_table of 64000",
            format!("{RANDOM} block block (i32.and (i32.shr_u (local.get $i) (i32.const 8)) (i32.const 0xffff)) br_table {list} end end"),
        )
        .times(1),
    );
    shapes
}

fn merges() -> Vec<Shape> {
    let mut shapes = Vec::new();
    shapes.push(
        Shape::new(
            "branches nobody can foresee",
            format!(
                "{RANDOM} {}",
                (8..30).fold(String::new(), |mut text, bit| {
                    let _ =
                        write!(text, "(block (br_if 0 (i32.and (local.get $i) (i32.const {}))))", 1 << bit);
                    text
                })
            ),
        )
        .times(1),
    );
    shapes.push(Shape::new("empty loops", "loop end ".repeat(400)).times(1));
    shapes.push(Shape::new("empty blocks", "block end ".repeat(400)).times(1));
    shapes.push(Shape::new("blocks that are left", "block br 0 end ".repeat(200)).times(1));
    shapes.push(Shape::new("ifs", "local.get $i if else end ".repeat(200)).times(1));
    shapes.push(
        Shape::new(
            "nested blocks",
            format!("{} local.get $b br_if 99 {}", "block ".repeat(100), "end ".repeat(100)),
        )
        .times(4),
    );
    // Locals that differ on the ways into a merge.
    for count in [8, 100, 4_000] {
        let sets = |value: i32| {
            (0..count).fold(String::new(), |mut text, n| {
                let _ = write!(text, "(local.set $x{n} (i32.const {value}))");
                text
            })
        };
        let names = (0..count).fold(String::new(), |mut text, n| {
            let _ = write!(text, "(local $x{n} i32)");
            text
        });
        let body = format!("{} (if (local.get $i) (then {}) (else {}))", RANDOM, sets(1), sets(2));
        shapes.push(Shape::new(format!("{count} locals merged"), body).locals(names.clone()).times(1));
        let body = format!("{} {}", sets(3), "loop local.get $i br_if 0 end ".repeat(50));
        shapes.push(Shape::new(format!("{count} locals before loops"), body).locals(names.clone()).times(1));
        let body = format!("{} {}", sets(3), "block local.get $b br_if 0 end ".repeat(200));
        shapes
            .push(Shape::new(format!("{count} locals before branches"), body).locals(names.clone()).times(1));
        let body = "loop local.get $i br_if 0 end block local.get $b br_if 0 end ".repeat(50);
        shapes.push(Shape::new(format!("{count} locals never set"), body).locals(names).times(1));
    }
    shapes
}

fn calls() -> Vec<Shape> {
    let mut shapes = vec![
        Shape::new("call", "call $nothing"),
        Shape::new("call with arguments", "(local.set $a (call $add (local.get $a) (local.get $b)))"),
        Shape::new("call_indirect", "(call_indirect (i32.const 0))"),
        Shape::new(
            "call_indirect of two",
            "(local.set $i (i32.xor (local.get $i) (i32.const 2))) (call_indirect (local.get $i))",
        ),
        Shape::new("recursion", "(call $deep (i32.const 500))")
            .fields("(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))"),
        Shape::new("recursion, indirect", "(call $deep (i32.const 500))").fields(
            "(type $one (func (param i32))) (elem (table $t) (i32.const 10) func $deep)
             (func $deep (param i32) (if (local.get 0) (then
               (call_indirect (type $one) (i32.sub (local.get 0) (i32.const 1)) (i32.const 10)))))",
        ),
    ];
    for count in [16, 255] {
        for (ty, value) in [("i32", "$a"), ("i64", "$c"), ("f64", "$g")] {
            let types = many(ty, count);
            let push = format!("local.get {value} ").repeat(count);
            let gets = (0..count).fold(String::new(), |mut text, n| {
                let _ = write!(text, "local.get {n} ");
                text
            });
            let drops = "drop ".repeat(count);
            let fields = format!(
                "(func $take (param {types})) (func $give (result {types}) (local {ty}) {})
                 (func $pass (param {types}) (result {types}) {gets})
                 (func $on (result {types}) call $give) (func $on2 (result {types}) call $on) (func $on3 (result {types}) call $on2)
                 (func $back (result {types}) call $give return)
                 (type $both (func (param {types}) (result {types}))) (elem (table $t) (i32.const 20) func $pass)",
                "local.get 0 ".repeat(count)
            );
            let shape = |name: &str, body: String| {
                Shape::new(format!("{name} {count} {ty}"), body).fields(fields.clone()).times(2)
            };
            shapes.push(shape("a call that takes", format!("{push} call $take")));
            shapes.push(shape("a call that gives", format!("call $give {drops}")));
            shapes.push(shape("calls that pass", format!("{push} {} {drops}", "call $pass ".repeat(8))));
            shapes.push(shape(
                "indirect calls that pass",
                format!("{push} {} {drops}", "i32.const 20 call_indirect (type $both) ".repeat(8)),
            ));
            shapes.push(shape("calls that pass on", format!("call $on3 {drops}")));
            shapes.push(shape("calls that return", format!("call $back {drops}")));
        }
    }
    for count in [64, 1_000, 4_000] {
        let locals = many("i64", count);
        shapes.push(
            Shape::new(format!("a call of {count} locals"), "call $wide")
                .fields(format!("(func $wide (local {locals}))")),
        );
        shapes.push(
            Shape::new(format!("a call of {count} locals with a loop"), "call $wide").fields(format!(
                "(func $wide (local {locals}) (local $n i32) (loop (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 4)))))"
            )),
        );
        let push = "local.get 0 ".repeat(count);
        let drops = "drop ".repeat(count);
        shapes.push(
            Shape::new(format!("a call of {count} values"), "call $wide")
                .fields(format!("(func $wide (local i64) {push} call $nothing {drops})")),
        );
    }
    let chain = (1..200).fold("(func $c0)".to_owned(), |mut text, n| {
        let _ = write!(text, "(func $c{n} call $c{})", n - 1);
        text
    });
    shapes.push(Shape::new("a chain of 200 calls", "call $c199").fields(chain));
    // More functions than a processor remembers.
    let crowd = (0..2_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "(func $k{n} (param i32) (result i32) (i32.add (local.get 0) (i32.const {n})))");
        text
    });
    let calls = (0..2_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "(local.set $a (call $k{} (local.get $a)))", n * 7919 % 2_000);
        text
    });
    shapes.push(Shape::new("calls of 2000 functions", calls).fields(crowd).times(1));
    shapes
}

/// What engines leave to their runtimes.
fn runtime() -> Vec<Shape> {
    let mut shapes = vec![
        Shape::new("memory.size", "(drop (memory.size))"),
        Shape::new("memory.grow by 0", "(drop (memory.grow (i32.const 0)))"),
        Shape::new("memory.grow beyond", "(drop (memory.grow (i32.const 70000)))"),
        Shape::new("memory.grow refused", "(drop (memory.grow (i32.const 1)))"),
        Shape::new("data.drop", "(data.drop $passive)"),
        Shape::new("elem.drop", "(elem.drop $spare)"),
    ];
    for bytes in [0, 1, 7, 32, 33, 1_000, 65_536, 1 << 20] {
        shapes.push(Shape::new(
            format!("memory.fill of {bytes}"),
            format!("(memory.fill (i32.const 4097) (i32.const 5) (i32.const {bytes}))"),
        ));
        for (what, from, to) in [("", 4097, 4 << 20), (" onto itself", 4097, 4098), (" back", 4098, 4097)] {
            shapes.push(Shape::new(
                format!("memory.copy of {bytes}{what}"),
                format!("(memory.copy (i32.const {to}) (i32.const {from}) (i32.const {bytes}))"),
            ));
        }
    }
    shapes.push(Shape::new(
        "memory.copy of 4 KiB anywhere",
        format!("{RANDOM} (memory.copy (i32.and (local.get $i) (i32.const 0xfffff0)) (i32.and (i32.shr_u (local.get $i) (i32.const 7)) (i32.const 0x7ffff0)) (i32.const 0))"),
    ));
    for bytes in [0, 1, 32] {
        shapes.push(Shape::new(
            format!("memory.init of {bytes}"),
            format!("(memory.init $passive (i32.const 4097) (i32.const 0) (i32.const {bytes}))"),
        ));
    }
    for elements in [0, 1, 8, 500] {
        shapes.push(Shape::new(
            format!("table.copy of {elements}"),
            format!("(table.copy $t $t (i32.const 400) (i32.const 0) (i32.const {elements}))"),
        ));
        if elements <= 8 {
            shapes.push(Shape::new(
                format!("table.init of {elements}"),
                format!("(table.init $t $spare (i32.const 400) (i32.const 0) (i32.const {elements}))"),
            ));
        }
    }
    shapes
}

/// Code that does not fit into the caches.
fn large() -> Vec<Shape> {
    let mixed = "(local.set $a (i32.add (local.get $a) (local.get $b))) (i64.store (i32.const 4096) (local.get $c))
        (local.set $c (i64.mul (local.get $c) (local.get $d))) (block (br_if 0 (local.get $i)) (local.set $b (i32.const 9)))
        (local.set $g (f64.add (local.get $g) (local.get $h))) (local.set $b (i32.load (i32.const 4096)))";
    [("small", 2), ("64 KB of", 1_000), ("400 KB of", 5_000)]
        .into_iter()
        .map(|(what, times)| Shape::new(format!("{what} mixed code"), mixed).times(times))
        .collect()
}

/// Plugins that engines may take long to translate: each as large as it may be, with much that is alive at its branches.
pub fn heavy() -> Vec<Shape> {
    let sets = |count: usize| {
        (0..count).fold(String::new(), |mut text, n| {
            let _ = write!(text, "(local.set $x{n} (i64.add (local.get $x{n}) (i64.const {n})))");
            text
        })
    };
    let names = |count: usize| {
        (0..count).fold(String::new(), |mut text, n| {
            let _ = write!(text, "(local $x{n} i64)");
            text
        })
    };
    let mut shapes = Vec::new();
    for alive in [10usize, 100, 1_000, 4_000] {
        // Of each kind as many as the limit lets through.
        let many = (3_900_000 / (alive + 9)).min(20_000);
        let (push, drops) = ("local.get $a ".repeat(alive), "drop ".repeat(alive));
        let kinds = [
            ("blocks", "block end ", 2),
            ("branches", "block local.get $i br_if 0 end ", 3),
            ("branches over a set", "block local.get $i br_if 0 i32.const 1 local.set $b end ", 3),
            ("loops", "loop local.get $i br_if 0 end ", 3),
            ("ifs", "local.get $i if i32.const 1 local.set $b else i32.const 2 local.set $b end ", 3),
            ("calls", "call $nothing ", 2),
        ];
        for (what, code, operators) in kinds {
            let code = code.repeat(many / operators);
            shapes.push(
                Shape::new(format!("{alive} values below {what}"), format!("{push} {code} {drops}")).times(1),
            );
            let alive_locals = alive.min(4_000);
            shapes.push(
                Shape::new(format!("{alive} locals at {what}"), format!("{} {code}", sets(alive_locals)))
                    .locals(names(alive_locals))
                    .times(1),
            );
        }
        let deep = (3_900_000 / (2 * alive + 20)).min(3_900);
        let nest =
            format!("{}{}{}", "loop ".repeat(deep), sets(alive), "local.get $i br_if 0 end ".repeat(deep));
        shapes.push(
            Shape::new(format!("{alive} locals set in {deep} nested loops"), nest)
                .locals(names(alive))
                .times(1),
        );
        let nest =
            format!("{}{}{}", "block ".repeat(deep), sets(alive), "local.get $i br_if 0 end ".repeat(deep));
        shapes.push(
            Shape::new(format!("{alive} locals set in {deep} nested blocks"), nest)
                .locals(names(alive))
                .times(1),
        );
    }
    let table = "0 1 2 ".repeat(20_000);
    let tables = format!("block block block local.get $i br_table {table} end end end ");
    shapes.push(Shape::new("tables of branches", tables).times(5));
    let table = (0..3_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "{n} ");
        text
    });
    let tables = format!("block local.get $i br_table {table} end ").repeat(90);
    let body = format!("{}{tables}{}", "block ".repeat(3_000), "end ".repeat(3_000));
    shapes.push(Shape::new("tables of branches to many places", body).times(1));
    let functions = (0..19_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {n})))");
        text
    });
    shapes.push(Shape::new("many functions", "call $nothing").fields(functions).times(1));
    shapes.push(
        Shape::new("one long expression", {
            let (push, add) = ("i64.const 3 local.get $c i64.mul ".repeat(3_900), "i64.add ".repeat(3_899));
            format!("{push} {add} local.set $c ")
        })
        .times(9),
    );
    shapes
}

/// Plugins that engines may take long to instantiate: each with as much as it may have.
pub fn bulky() -> Vec<Shape> {
    let repeated = |count: usize, field: &dyn Fn(usize) -> String| (0..count).map(field).collect::<String>();
    let nothing = || Shape::new("", "call $nothing").times(1);
    let shape = |name: &str, fields: String| Shape { name: name.to_owned(), ..nothing().fields(fields) };
    vec![
        shape("globals", repeated(1_990, &|n| format!("(global i64 (i64.const {n}))"))),
        shape("exports", repeated(1_990, &|n| format!("(func (export \"e{n}\"))"))),
        shape("data segments", repeated(1_990, &|n| format!("(data (i32.const {}) \"abc\")", 4096 + n * 8))),
        shape("a large data segment", format!("(data (i32.const 4096) \"{}\")", "a".repeat(900_000))),
        shape(
            "element segments",
            repeated(1_990, &|n| format!("(elem (table $t) (i32.const {}) func $nothing $add)", n % 990)),
        ),
        shape(
            "elements",
            repeated(19, &|_| format!("(elem (table $t) (i32.const 0) func {})", "$nothing ".repeat(1_000))),
        ),
        shape("functions", repeated(19_900, &|_| "(func)".to_owned())),
        shape("types", repeated(200, &|n| format!("(type (func (param {})))", "i32 ".repeat(n)))),
    ]
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }
}

/// A shape put together at random: values are pushed, something is done that may have to look at them, some are dropped.
pub fn random(seed: u64) -> Shape {
    const PUSH: [&str; 9] = [
        "local.get $a",
        "local.get $b",
        "local.get $c",
        "local.get $g",
        "i32.const 5",
        "i64.const 1234567890123",
        "f64.const 2.5",
        "global.get $counter",
        "local.get $e",
    ];
    const DO: [&str; 24] = [
        "i32.const 3 local.set $a",
        "i64.const 3 local.set $c",
        "local.get $b local.tee $a drop",
        "block end",
        "loop end",
        "block local.get $i br_if 0 end",
        "block br 0 end",
        "local.get $b if end",
        "local.get $i if else nop end",
        "call $nothing",
        "i32.const 2 call_indirect",
        "local.get $a local.get $b call $add local.set $b",
        "i32.const 0 i32.load drop",
        "i32.const 0 local.get $c i64.store",
        "local.get $a i32.eqz local.set $i",
        "f64.const 1 local.set $g",
        "local.get $g local.get $h f64.mul local.set $g",
        "local.get $c i64.ctz local.set $c",
        "block (result i32) i32.const 1 br 0 end local.set $b",
        "block local.get $a br_table 0 0 0 end",
        "i32.const 0 i32.const 0 i32.const 1 memory.fill",
        "memory.size local.set $b",
        "local.get $a local.get $b local.get $i select local.set $a",
        "i64.const 7 global.set $counter",
    ];
    let mut random = Random(seed);
    let mut body = String::new();
    let mut height = 0;
    for _ in 0..random.below(60) + 2 {
        match random.below(4) {
            0 => {
                let count = 1 << random.below(8);
                let push = PUSH[random.below(PUSH.len())];
                if height + count < 3_000 {
                    height += count;
                    body.push_str(&format!("{push} ").repeat(count));
                }
            }
            1 => {
                let count = random.below(height + 1);
                height -= count;
                body.push_str(&"drop ".repeat(count));
            }
            _ => {
                let done = format!("{} ", DO[random.below(DO.len())]);
                body.push_str(&done.repeat(1 << random.below(5)));
            }
        }
    }
    body.push_str(&"drop ".repeat(height));
    Shape::new(format!("random {seed}"), body).times(1 + random.below(4))
}

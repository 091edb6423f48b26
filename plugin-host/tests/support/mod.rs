//! The engines, side by side. V8 is Node's: a small script holds the instances, and the driver under test works them
//! through a pipe, as a Worker's does through its JavaScript bindings.

#![allow(dead_code, unreachable_pub)] // each test file uses a part

pub mod raw;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use weir_plugin_host::frame::Event;
use weir_plugin_host::meter::{DENIED, DEPTH, DEPTH_BUDGET, FUEL};
use weir_plugin_host::run::{self, Call, Instance, Limits, Outcome, Stop, TrapKind};
use weir_plugin_host::transcript;

use raw::{End, Raw, RawCall, RawOutcome, is_meter};

/// The input of a plugin: an event without headers or configuration.
pub fn input(event_type: &str, body: &[u8]) -> Vec<u8> {
    Event {
        id: "msg_1",
        event_type,
        timestamp_ms: 0,
        attempt: 1,
        app_id: "app_1",
        endpoint_id: "ep_1",
        headers: &[],
        config: "",
        body,
    }
    .encode()
}

/// All engines that this build and machine have.
pub struct Engines {
    wasmi: weir_plugin_host::wasmi::Engine,
    #[cfg(feature = "wasmtime")]
    wasmtime: weir_plugin_host::wasmtime::Engine,
    v8: V8,
    loaded: Option<Loaded>,
}

/// The module that ran last: compiling takes longer than running.
struct Loaded {
    metered: Vec<u8>,
    wasmi: weir_plugin_host::wasmi::Module,
    #[cfg(feature = "wasmtime")]
    wasmtime: weir_plugin_host::wasmtime::Module,
}

impl Engines {
    pub fn start() -> Self {
        Self {
            wasmi: weir_plugin_host::wasmi::Engine::new(),
            #[cfg(feature = "wasmtime")]
            wasmtime: weir_plugin_host::wasmtime::Engine::new(256).unwrap(),
            v8: V8::start(),
            loaded: None,
        }
    }

    /// V8, for what only its instance shows.
    pub fn v8(&mut self) -> &mut V8 {
        &mut self.v8
    }

    /// Runs a metered module on each.
    pub fn run(&mut self, metered: &[u8], input: &[u8], limits: &Limits) -> Vec<(&'static str, Outcome)> {
        let loaded = self.loaded.take().filter(|loaded| loaded.metered == metered);
        let loaded = self.loaded.insert(loaded.unwrap_or_else(|| Loaded {
            metered: metered.to_vec(),
            wasmi: self.wasmi.load(metered).unwrap(),
            #[cfg(feature = "wasmtime")]
            wasmtime: self.wasmtime.load(metered).unwrap(),
        }));
        vec![
            ("wasmi", loaded.wasmi.run(input, limits)),
            #[cfg(feature = "wasmtime")]
            ("wasmtime", loaded.wasmtime.run(input, limits)),
            ("v8", self.v8.run(metered, input, limits)),
            ("v8 by transcript", self.v8.run_at_once(metered, input, limits)),
        ]
    }
}

/// Node, with a script that keeps one module and one instance.
pub struct V8 {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    loaded: Vec<u8>,
}

impl V8 {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With flags for V8.
    pub fn start_with(flags: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/v8.mjs");
        let mut child = Command::new("node")
            .args(flags)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need `node` on the PATH");
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout, loaded: Vec::new() }
    }

    /// Asks the script; the answer is its `ok`, or the error's name and message.
    pub fn ask(&mut self, request: &Value) -> Result<Value, (String, String)> {
        writeln!(self.stdin, "{request}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let mut answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e} in the script's answer {line:?}"));
        match answer.get("error") {
            None => Ok(answer["ok"].take()),
            Some(_) => Err((text(&answer["error"]), text(&answer["message"]))),
        }
    }

    /// Compiles, if it is not the module compiled last.
    fn load(&mut self, metered: &[u8]) -> Result<(), String> {
        if self.loaded != metered {
            let request = json!({ "do": "load", "bytes": hex(metered) });
            self.ask(&request).map_err(|(name, message)| format!("{name}: {message}"))?;
            self.loaded = metered.to_vec();
        }
        Ok(())
    }

    /// The whole run in one call, as the Worker makes it.
    pub fn run_at_once(&mut self, metered: &[u8], input: &[u8], limits: &Limits) -> Outcome {
        let request =
            json!({ "do": "transcribe", "input": hex(input), "numbers": transcript::numbers(limits) });
        let made = self
            .load(metered)
            .and_then(|()| self.ask(&request).map_err(|(name, message)| format!("{name}: {message}")));
        match made {
            Ok(made) => transcript::outcome(&unhex(&text(&made)), input, limits),
            Err(why) => Outcome::host_failure(why),
        }
    }

    /// Makes an instance.
    pub fn instantiate(&mut self, metered: &[u8]) -> Result<(), String> {
        self.load(metered)?;
        self.ask(&json!({ "do": "instantiate" })).map_err(|(name, message)| format!("{name}: {message}"))?;
        Ok(())
    }

    pub fn run(&mut self, metered: &[u8], input: &[u8], limits: &Limits) -> Outcome {
        match self.instantiate(metered) {
            Ok(()) => run::run(self, input, limits),
            Err(why) => Outcome::host_failure(why),
        }
    }

    fn global(&mut self, name: &str) -> i64 {
        text(&self.ask(&json!({ "do": "get", "name": name })).unwrap()).parse().unwrap()
    }

    fn set_global(&mut self, name: &str, value: i64, big: bool) {
        self.ask(&json!({ "do": "set", "name": name, "value": value.to_string(), "big": big })).unwrap();
    }
}

impl Drop for V8 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Instance for V8 {
    fn call(&mut self, call: Call) -> Result<u32, Stop> {
        let args: Vec<u32> = match call {
            Call::Initialize | Call::Abi => vec![],
            Call::Input(length) | Call::Transform(length) => vec![length],
        };
        match self.ask(&json!({ "do": "call", "name": call.export(), "args": args })) {
            Ok(value) => Ok(u32::try_from(value.as_u64().unwrap_or(0)).unwrap()),
            Err((name, message)) => Err(stop(&name, message)),
        }
    }

    fn memory_bytes(&mut self) -> u64 {
        self.ask(&json!({ "do": "size" })).unwrap().as_u64().unwrap()
    }

    fn read(&mut self, address: u32, length: u32) -> Option<Vec<u8>> {
        Some(unhex(&text(&self.ask(&json!({ "do": "read", "at": address, "length": length })).ok()?)))
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> bool {
        self.ask(&json!({ "do": "write", "at": address, "bytes": hex(bytes) })).is_ok()
    }

    fn set_fuel(&mut self, fuel: i64) {
        self.set_global(FUEL, fuel, true);
    }

    fn fuel(&mut self) -> i64 {
        self.global(FUEL)
    }

    fn set_depth(&mut self, depth: i32) {
        self.set_global(DEPTH, depth.into(), false);
    }

    fn depth(&mut self) -> i32 {
        i32::try_from(self.global(DEPTH)).unwrap()
    }

    fn denied(&mut self) -> i32 {
        i32::try_from(self.global(DENIED)).unwrap()
    }
}

impl Raw for V8 {
    fn call(&mut self, wasm: &[u8], call: &RawCall, fuel: Option<i64>) -> RawOutcome {
        if self.loaded != wasm {
            self.ask(&json!({ "do": "load", "bytes": hex(wasm) })).unwrap();
            self.loaded = wasm.to_vec();
        }
        let arguments: Vec<Value> =
            call.arguments.iter().map(|(ty, bits)| json!([ty.name(), bits.to_string()])).collect();
        let results: Vec<&str> = call.results.iter().map(|ty| ty.name()).collect();
        let answer = self
            .ask(&json!({
                "do": "raw", "name": call.name, "arguments": arguments, "results": results,
                "fuel": fuel.map(|fuel| fuel.to_string()), "depth": DEPTH_BUDGET, "meters": [FUEL, DEPTH, DENIED],
            }))
            .unwrap();
        let texts = |value: &Value| value.as_array().unwrap().iter().map(text).collect::<Vec<String>>();
        let end = match answer.get("values") {
            Some(values) => End::Values(texts(values)),
            None => End::Stopped(stop(&text(&answer["error"]), text(&answer["message"]))),
        };
        let meters = texts(&answer["meters"]);
        let mut globals: Vec<(String, String)> = answer["globals"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .filter(|(name, _)| !is_meter(name))
            .collect();
        globals.sort();
        RawOutcome {
            end,
            meters: std::array::from_fn(|i| meters[i].parse().unwrap()),
            globals,
            memory: (
                answer["memory"][0].as_u64().unwrap(),
                u32::try_from(answer["memory"][1].as_u64().unwrap()).unwrap(),
            ),
        }
    }
}

pub fn stop(name: &str, message: String) -> Stop {
    match name {
        "RuntimeError" => Stop::Trap(TrapKind::from_v8(&message)),
        "RangeError" => Stop::StackOverflow,
        _ => Stop::Host(message),
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)].into());
        out.push(DIGITS[usize::from(byte & 15)].into());
    }
    out
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| u8::try_from((c as char).to_digit(16).unwrap()).unwrap();
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

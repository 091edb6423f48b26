//! A module as read and validated once: what admission judges and metering rewrites.
//!
//! Everything here was checked by the validator over one fixed set of features **before** anything is rewritten: code
//! that names the function or global "one past the end" is invalid now, and would be valid once the pass has
//! appended its own.

use std::collections::HashMap;
use std::ops::Range;

use wasmparser::{
    BlockType, CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind, Encoding, ExternalKind,
    FrameKind, FuncType, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload,
    ValType, ValidPayload, Validator, WasmFeatures, WasmModuleResources,
};

use crate::calls::Graph;
use crate::flow::Flow;
use crate::limits::ModuleLimits;
use crate::manifest;
use crate::origin;
use crate::refusal::Refusal;

/// The custom section of a metered module: the version of the pass and the memory's maximum in pages, little-endian u32s.
pub const SECTION: &str = "weir:metered";
/// The beginning of names that belong to the host.
const PREFIX: &str = "weir:";

/// The features of ABI v1. Reference types are off but for the encoding of indirect calls that compilers emit.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::FLOATS);

/// The features that other modules of the web may use: what is valid with these is refused as a feature, not as
/// malformed.
const OTHERS: WasmFeatures = WasmFeatures::all();

/// The most parameters or results of a function.
const MAX_ARITY: usize = 255;

/// A section as it is in the file.
#[derive(Debug, Clone)]
pub(crate) struct Section<'a> {
    /// Its id; 0 is a custom section.
    pub(crate) id: u8,
    /// Its name, if it is a custom section.
    pub(crate) name: Option<&'a str>,
    /// Its contents without id and size (with the name).
    pub(crate) contents: Range<usize>,
}

/// An export.
#[derive(Debug, Clone)]
pub(crate) struct Export<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: ExternalKind,
    pub(crate) index: u32,
}

/// A function's code.
#[derive(Debug)]
pub(crate) struct Body {
    /// The code in the file: local declarations and operators.
    pub(crate) range: Range<usize>,
    /// Its control flow.
    pub(crate) flow: Flow,
    /// Parameters and locals.
    pub(crate) locals: u32,
    /// Slots of 8 bytes that one activation needs: a fixed part, locals, and the highest stack of values.
    pub(crate) slots: u64,
}

/// The memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Pages at the start.
    pub(crate) minimum: u64,
    /// Pages at most, as the rewritten module declares it.
    pub(crate) maximum: u64,
}

/// A module as read and validated.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) sections: Vec<Section<'a>>,
    pub(crate) types: Vec<FuncType>,
    /// The type of each function.
    pub(crate) functions: Vec<u32>,
    pub(crate) globals: u32,
    pub(crate) memory: Option<Memory>,
    pub(crate) exports: Vec<Export<'a>>,
    pub(crate) bodies: Vec<Body>,
    pub(crate) manifest: Option<&'a [u8]>,
    table: u64,
    /// Functions that an element segment refers to.
    referenced: Vec<u32>,
}

/// What one activation needs besides locals and values, in slots.
const FRAME_SLOTS: u64 = 8;

impl<'a> Module<'a> {
    /// Reads and validates.
    pub(crate) fn read(bytes: &'a [u8], limits: &ModuleLimits) -> Result<Self, Refusal> {
        if bytes.len() > limits.bytes {
            return Err(Refusal::TooLarge { bytes: bytes.len(), limit: limits.bytes, metered: false });
        }
        let mut module = Self {
            bytes,
            sections: Vec::new(),
            types: Vec::new(),
            functions: Vec::new(),
            globals: 0,
            memory: None,
            exports: Vec::new(),
            bodies: Vec::new(),
            manifest: None,
            table: 0,
            referenced: Vec::new(),
        };
        let mut reader = Reader {
            module: &mut module,
            limits,
            validator: Validator::new_with_features(FEATURES),
            allocations: None,
            merged: 0,
            elements: 0,
        };
        match reader.read(bytes) {
            // Last: of a module that was metered before, that is what to say.
            Ok(()) => match module.exports.iter().find(|export| export.name.starts_with(PREFIX)) {
                Some(export) => Err(Refusal::Reserved { name: export.name.to_owned() }),
                None => Ok(module),
            },
            Err(Stop::Refused(refusal)) => Err(refusal),
            Err(Stop::Invalid(error)) => Err(judge(bytes, &error)),
        }
    }

    /// The signature of a function.
    pub(crate) fn signature(&self, function: u32) -> Option<&FuncType> {
        let index = *self.functions.get(to_usize(function))?;
        self.types.get(to_usize(index))
    }

    /// How many values an operator carries to where it goes: a branch to its label, a call to and from the function.
    fn moved<T: WasmModuleResources>(&self, validator: &FuncValidator<T>, operator: &Operator<'_>) -> u32 {
        let label = |depth: u32| {
            let frame = validator.get_control_frame(to_usize(depth));
            frame.map_or(0, |frame| match (frame.kind, frame.block_type) {
                (_, BlockType::Empty) | (FrameKind::Loop, BlockType::Type(_)) => 0,
                (_, BlockType::Type(_)) => 1,
                (FrameKind::Loop, BlockType::FuncType(ty)) => self.arity(ty, FuncType::params),
                (_, BlockType::FuncType(ty)) => self.arity(ty, FuncType::results),
            })
        };
        let both =
            |ty: u32| self.arity(ty, FuncType::params).saturating_add(self.arity(ty, FuncType::results));
        match operator {
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => label(*relative_depth),
            Operator::BrTable { targets } => label(targets.default()),
            Operator::Return => label(validator.control_stack_height().saturating_sub(1)),
            Operator::Call { function_index } => {
                self.functions.get(to_usize(*function_index)).map_or(0, |ty| both(*ty))
            }
            Operator::CallIndirect { type_index, .. } => both(*type_index),
            _ => 0,
        }
    }

    fn arity(&self, ty: u32, of: fn(&FuncType) -> &[ValType]) -> u32 {
        self.types.get(to_usize(ty)).map_or(0, |ty| u32::try_from(of(ty).len()).unwrap_or(u32::MAX))
    }

    /// The call graph.
    pub(crate) fn graph(&self) -> Graph {
        // One hub for each signature, however many type indices it has.
        let mut hubs: HashMap<&FuncType, usize> = HashMap::new();
        for ty in &self.types {
            let next = self.functions.len().saturating_add(hubs.len());
            hubs.entry(ty).or_insert(next);
        }
        let hub = |index: u32| self.types.get(to_usize(index)).and_then(|ty| hubs.get(ty)).copied();
        let mut graph = Graph::new(self.functions.len().saturating_add(hubs.len()));
        for (caller, body) in self.bodies.iter().enumerate() {
            for callee in &body.flow.calls {
                graph.add(caller, *callee);
            }
            for hub in body.flow.indirect.iter().filter_map(|index| hub(*index)) {
                graph.add(caller, u32::try_from(hub).unwrap_or(u32::MAX));
            }
        }
        for function in &self.referenced {
            let ty = self.functions.get(to_usize(*function)).and_then(|index| hub(*index));
            if let Some(hub) = ty {
                graph.add(hub, *function);
            }
        }
        graph
    }
}

enum Stop {
    Refused(Refusal),
    Invalid(wasmparser::BinaryReaderError),
}

impl From<wasmparser::BinaryReaderError> for Stop {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid(error)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// How many imports are looked at for a sign of where a module came from.
const MAX_IMPORTS: usize = 1_000;

/// The values alive at an operator where code branches, merges or calls; nothing for any other. Each target of a
/// `br_table` counts with what it carries.
fn merged<T: WasmModuleResources>(
    operator: &Operator<'_>,
    moved: u32,
    validator: &FuncValidator<T>,
) -> Option<u64> {
    use Operator as O;
    let targets = match operator {
        O::BrTable { targets } => u64::from(targets.len()).saturating_mul(u64::from(moved).saturating_add(1)),
        O::Block { .. }
        | O::Loop { .. }
        | O::If { .. }
        | O::Else
        | O::End
        | O::Br { .. }
        | O::BrIf { .. }
        | O::Return
        | O::Call { .. }
        | O::CallIndirect { .. } => 0,
        _ => return None,
    };
    let alive = u64::from(validator.len_locals()).saturating_add(u64::from(validator.operand_stack_height()));
    Some(alive.saturating_add(targets))
}

/// Whether an invalid module is broken, or only uses what plugins may not.
fn judge(bytes: &[u8], error: &wasmparser::BinaryReaderError) -> Refusal {
    if !bytes.starts_with(b"\0asm") {
        let what = origin::file_kind(bytes);
        return Refusal::NotWasm {
            what: what.unwrap_or("it does not begin as one (\\0asm); send the .wasm file unchanged"),
        };
    }
    let why = error.to_string();
    // The parser is built without the SIMD operators, and says only this of them.
    let simd = error.message().contains("SIMD");
    if simd || Validator::new_with_features(OTHERS).validate_all(bytes).is_ok() {
        Refusal::Feature { why }
    } else {
        Refusal::Malformed { why }
    }
}

struct Reader<'m, 'a> {
    module: &'m mut Module<'a>,
    limits: &'m ModuleLimits,
    validator: Validator,
    allocations: Option<FuncValidatorAllocations>,
    /// Values that are alive where code branches, merges or calls, all together: what compilers and interpreters go
    /// through when they translate the module.
    merged: u64,
    /// Elements in all segments.
    elements: u64,
}

impl<'a> Reader<'_, 'a> {
    fn read(&mut self, bytes: &'a [u8]) -> Result<(), Stop> {
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        for payload in parser.parse_all(bytes) {
            let payload = payload?;
            self.refuse(&payload)?;
            if let ValidPayload::Func(function, body) = self.validator.payload(&payload)? {
                self.body(function, &body)?;
            }
            self.note(payload)?;
        }
        Ok(())
    }

    /// What is refused with a sentence of its own before the validator speaks.
    fn refuse(&mut self, payload: &Payload<'a>) -> Result<(), Stop> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                Err(Refusal::Feature { why: "it is a component, not a core module".to_owned() }.into())
            }
            Payload::ImportSection(section) => {
                // The one that says most of where the module came from; what follows many others adds nothing.
                let mut best: Option<(usize, wasmparser::Import<'_>)> = None;
                for import in section.clone().into_imports().take(MAX_IMPORTS) {
                    let import = import?;
                    let (rank, _) = origin::toolchain(import.module, import.name);
                    if best.is_none_or(|(least, _)| rank < least) {
                        best = Some((rank, import));
                    }
                }
                match best {
                    Some((_, import)) => {
                        let (module, name) = (import.module.to_owned(), import.name.to_owned());
                        Err(Refusal::Import { module, name }.into())
                    }
                    None => Ok(()),
                }
            }
            Payload::StartSection { .. } => Err(Refusal::Start.into()),
            Payload::CodeSectionStart { count, .. } => {
                self.count("functions", u64::from(*count), self.limits.functions)
            }
            Payload::FunctionSection(section) => {
                self.count("functions", u64::from(section.count()), self.limits.functions)
            }
            Payload::TypeSection(section) => {
                self.count("types", u64::from(section.count()), self.limits.types)
            }
            Payload::GlobalSection(section) => {
                self.count("globals", u64::from(section.count()), self.limits.made)
            }
            Payload::ExportSection(section) => {
                self.count("exports", u64::from(section.count()), self.limits.made)
            }
            Payload::ElementSection(section) => {
                self.count("element segments", u64::from(section.count()), self.limits.made)
            }
            Payload::DataSection(section) => {
                self.count("data segments", u64::from(section.count()), self.limits.made)
            }
            _ => Ok(()),
        }
    }

    #[allow(clippy::unused_self)] // reads as what it is where it is used
    fn count(&self, what: &'static str, found: u64, limit: u64) -> Result<(), Stop> {
        if found <= limit { Ok(()) } else { Err(Refusal::TooMany { what, found, limit }.into()) }
    }

    /// Remembers a valid section.
    fn note(&mut self, payload: Payload<'a>) -> Result<(), Stop> {
        if let Some((id, contents)) = payload.as_section()
            && id != CODE
        {
            self.module.sections.push(Section { id, name: None, contents });
        }
        match payload {
            Payload::CustomSection(section) => {
                match section.name() {
                    SECTION => return Err(Refusal::AlreadyMetered.into()),
                    manifest::SECTION if self.module.manifest.is_some() => {
                        let why =
                            "the module has more than one; two crates that are plugins are linked together";
                        return Err(Refusal::Manifest { why: why.to_owned() }.into());
                    }
                    manifest::SECTION => self.module.manifest = Some(section.data()),
                    _ => {}
                }
                if let Some(last) = self.module.sections.last_mut() {
                    last.name = Some(section.name());
                }
            }
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        let CompositeInnerType::Func(ty) = ty.composite_type.inner else { continue };
                        let arity = ty.params().len().max(ty.results().len());
                        self.count("parameters or results in a function", to_u64(arity), to_u64(MAX_ARITY))?;
                        self.module.types.push(ty);
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.module.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let elements = table?.ty.initial;
                    if elements > self.limits.table {
                        return Err(Refusal::Table { elements, limit: self.limits.table }.into());
                    }
                    self.module.table = elements;
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    let limit = u64::from(self.limits.memory_pages);
                    if memory.initial > limit {
                        let why = format!(
                            "it starts with {} pages of 64 KiB, {limit} are allowed; link with a smaller --initial-memory",
                            memory.initial
                        );
                        return Err(Refusal::Memory { why }.into());
                    }
                    let maximum = memory.maximum.unwrap_or(limit).min(limit);
                    self.module.memory = Some(Memory { minimum: memory.initial, maximum });
                }
            }
            Payload::GlobalSection(section) => self.module.globals = section.count(),
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.module.exports.push(Export {
                        name: export.name,
                        kind: export.kind,
                        index: export.index,
                    });
                }
            }
            Payload::ElementSection(section) => self.elements(section)?,
            Payload::DataSection(section) => {
                let memory = self.module.memory.map_or(0, |memory| memory.minimum.saturating_mul(1 << 16));
                for (index, segment) in (0u32..).zip(section) {
                    let segment = segment?;
                    if let DataKind::Active { offset_expr, .. } = &segment.kind
                        && !fits(offset_expr, segment.data.len(), memory)
                    {
                        return Err(Refusal::Segment { what: "data", index }.into());
                    }
                }
            }
            Payload::CodeSectionStart { range, .. } => {
                self.module.sections.push(Section { id: CODE, name: None, contents: range });
            }
            _ => {}
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'a>) -> Result<(), Stop> {
        for (index, segment) in (0u32..).zip(section) {
            let segment = segment?;
            let before = self.module.referenced.len();
            match segment.items {
                ElementItems::Functions(functions) => {
                    for function in functions {
                        self.module.referenced.push(function?);
                    }
                }
                ElementItems::Expressions(_, expressions) => {
                    for expression in expressions {
                        for operator in expression?.get_operators_reader() {
                            if let Operator::RefFunc { function_index } = operator? {
                                self.module.referenced.push(function_index);
                            }
                        }
                    }
                }
            }
            let items = self.module.referenced.len().saturating_sub(before);
            self.elements = self.elements.saturating_add(to_u64(items));
            self.count("elements in segments", self.elements, self.limits.elements)?;
            if let ElementKind::Active { offset_expr, .. } = &segment.kind
                && !fits(offset_expr, items, self.module.table)
            {
                return Err(Refusal::Segment { what: "element", index }.into());
            }
        }
        self.module.referenced.sort_unstable();
        self.module.referenced.dedup();
        Ok(())
    }

    fn body(
        &mut self,
        function: wasmparser::FuncToValidate<wasmparser::ValidatorResources>,
        body: &FunctionBody<'a>,
    ) -> Result<(), Stop> {
        let number = function.index;
        let mut validator = function.into_validator(self.allocations.take().unwrap_or_default());
        let mut operators = body.get_binary_reader();
        operators.set_features(FEATURES);
        validator.read_locals(&mut operators)?;
        let locals = validator.len_locals();
        self.locals(number, u64::from(locals))?;

        let mut operators = wasmparser::OperatorsReader::new(operators);
        let mut flow = Flow::new(operators.original_position(), locals);
        let mut height = 0;
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset()?;
            let moved = self.module.moved(&validator, &operator);
            if let Some(values) = merged(&operator, moved, &validator) {
                self.merged = self.merged.saturating_add(values);
            }
            validator.op(at, &operator)?;
            flow.operator(&operator, at, operators.original_position(), moved);
            height = height.max(validator.operand_stack_height());
        }
        operators.finish()?;
        self.locals(number, u64::from(locals).saturating_add(u64::from(height)))?;
        self.count("values alive at its branches", self.merged, self.limits.merged)?;
        self.count("blocks nested in a function", to_u64(flow.nesting), self.limits.nesting)?;
        self.count("targets in a br_table", u64::from(flow.branches), self.limits.branches)?;
        self.allocations = Some(validator.into_allocations());
        let slots = FRAME_SLOTS.saturating_add(u64::from(locals)).saturating_add(u64::from(height));
        self.module.bodies.push(Body { range: body.range(), flow, locals, slots });
        Ok(())
    }

    #[allow(clippy::unused_self)] // beside `count`
    fn locals(&self, function: u32, found: u64) -> Result<(), Stop> {
        let limit = self.limits.locals;
        if found <= limit { Ok(()) } else { Err(Refusal::Locals { function, found, limit }.into()) }
    }
}

/// The code section's id.
const CODE: u8 = 10;

/// Whether a segment of this length lies inside. Without imports an offset can only be a constant.
fn fits(offset: &ConstExpr<'_>, length: usize, size: u64) -> bool {
    match offset.get_operators_reader().read() {
        #[allow(clippy::cast_sign_loss)] // an address is unsigned
        Ok(Operator::I32Const { value }) => {
            u64::from(value as u32).checked_add(to_u64(length)).is_some_and(|end| end <= size)
        }
        _ => false,
    }
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

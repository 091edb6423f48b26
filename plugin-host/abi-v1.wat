;; The ABI of Weir's plugins, version 1, as the smallest complete plugin written by hand.
;;
;; What it does: an event whose body is empty is dropped, with a reason. Every other event is delivered with one more
;; header, `x-stamped-by`, which holds the event's id, and a line in the log.
;;
;; Tests hold this file to what it says: `plugin-host/tests/abi.rs` compiles it and runs it on every engine, and
;; `plugins/tests/tests/abi.rs` compares it with a plugin in Rust that does the same (`plugins/tests/fixture`). Whatever
;; is not explained here (header patches, limits, what a module may not have) has its table in `abi-v1.md`.
;;
;; A plugin is a core module without imports. For every event the host makes a fresh instance and calls, once each:
;;
;;     _initialize()                 only where it is exported: constructors of languages that have them
;;     weir_abi_v1() -> mailbox      an address; that the export is there says which ABI is spoken
;;     weir_input(length) -> room    an address where the host may write so many bytes, or 0 to refuse
;;     weir_transform(length)        works on what was written there, and returns the verdict:
;;                                       0 deliver unchanged     1 replace (reads the output)   2 drop (reads the reason)
;;                                       3 failed, try again     4 failed for good (both read the error text)
;;
;; All numbers are 32 bits, little-endian. The memory of this plugin:
;;
;;          16  the mailbox: 8 words
;;          64  texts
;;        1024  the output frame
;;       65536  the input frame
(module
  ;; One memory, exported by this name. Two pages to begin with; the maximum keeps it within the default limit of 16 MiB.
  (memory (export "memory") 2 256)

  ;; The mailbox: how the host learns where things are. It is read after `weir_transform` returned, and after a trap
  ;; too, so what is logged or written as error text before a trap is not lost.
  ;;     +0  size of the mailbox: 32          +4 +8   output frame: address, length
  ;;    +12 +16  log: address, length        +20 +24  error text or reason: address, length
  ;;    +28  flags: bit 0 says that older log lines were discarded
  (data (i32.const 16)
    "\20\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00")

  ;; A line of the log: a level (1 error, 2 warn, 3 info, 4 debug, 5 trace), the text, a line feed.
  (data (i32.const 64) "\03stamped\n")
  (data (i32.const 80) "an empty body")
  (data (i32.const 96) "an id longer than 256 bytes")

  ;; The output frame, a patch: what it does not name stays as it is. A table of entries, then their bytes.
  (data (i32.const 1024)
    "\01\00\00\00"      ;; the frame's version
    "\01\00\00\00"      ;; one entry:
    "\07\00\00\00"      ;;   key 7, headers (2 would be a new event type, 9 a new body)
    "\14\00\00\00"      ;;   begins 20 bytes after the frame's beginning
    "\00\00\00\00"      ;;   its length, filled in below
    ;; The entry: a list of headers.
    "\01\00\00\00"      ;; one header:
    "\0c\00\00\00"      ;;   length of its name
    "\00\00\00\00"      ;;   length of its value, filled in below (0xffffffff would remove the header)
    "x-stamped-by")     ;;   its name; the value follows, from 1068

  ;; Optional: called first, once. There is nothing to construct here.
  (func (export "_initialize"))

  ;; Called once, before any event is there: where the mailbox is. That the export has this name says which ABI is spoken;
  ;; a host that speaks another one never calls it.
  (func (export "weir_abi_v1") (result i32)
    i32.const 16)

  ;; Makes room for the input from the second page on.
  (func (export "weir_input") (param $length i32) (result i32)
    (local $missing i32)
    ;; More than 15 MiB would not fit the memory's maximum.
    (if (i32.gt_u (local.get $length) (i32.const 0xf00000)) (then (return (i32.const 0))))
    ;; Pages that are needed: the first, and enough for the input.
    (local.set $missing
      (i32.sub
        (i32.add (i32.const 1) (i32.shr_u (i32.add (local.get $length) (i32.const 65535)) (i32.const 16)))
        (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then (return (i32.const 0))))))
    i32.const 65536)

  ;; The input frame has the same layout as the output: version, count, then for each entry key, offset, length. The
  ;; host promises the keys 1, 2, 3, … in their order, so the offset of key k is the word at 12 * k, its length the
  ;; word after it. The keys: 1 event id, 2 event type, 3 timestamp, 4 attempt, 5 application id, 6 endpoint id,
  ;; 7 headers, 8 configuration, 9 body.
  (func (export "weir_transform") (param $length i32) (result i32)
    (local $id_length i32)
    ;; The body's length: key 9.
    (if (i32.eqz (i32.load (i32.const 65648)))  ;; 65536 + 12 * 9 + 4
      (then
        (i32.store (i32.const 36) (i32.const 80))  ;; the reason: 16 + 20
        (i32.store (i32.const 40) (i32.const 13))
        (return (i32.const 2))))
    ;; The id's length: key 1.
    (local.set $id_length (i32.load (i32.const 65552)))  ;; 65536 + 12 + 4
    (if (i32.gt_u (local.get $id_length) (i32.const 256))
      (then
        (i32.store (i32.const 36) (i32.const 96))
        (i32.store (i32.const 40) (i32.const 27))
        (return (i32.const 4))))
    ;; The header's value is the id: copied from the input, whose offsets count from the frame's beginning.
    (memory.copy
      (i32.const 1068)
      (i32.add (i32.const 65536) (i32.load (i32.const 65548)))  ;; 65536 + 12
      (local.get $id_length))
    (i32.store (i32.const 1052) (local.get $id_length))
    (i32.store (i32.const 1040) (i32.add (local.get $id_length) (i32.const 24)))  ;; 4 + 8 + 12 + the value
    ;; The output: 20 bytes of table, then the entry.
    (i32.store (i32.const 20) (i32.const 1024))
    (i32.store (i32.const 24) (i32.add (local.get $id_length) (i32.const 44)))
    ;; The log.
    (i32.store (i32.const 28) (i32.const 64))
    (i32.store (i32.const 32) (i32.const 9))
    i32.const 1)

  ;; The manifest: what the plugin says of itself without being run. Only `abi`, `name` and `version` have to be there.
  (@custom "weir:manifest"
    "{\"abi\":1,\"name\":\"stamp\",\"version\":\"1.0.0\",\"description\":\"Stamps events with their id.\"}")
)

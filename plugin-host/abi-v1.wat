;; A plugin by hand: the whole ABI, version 1, in the order in which the host uses it.
;; `abi-v1.md` has the tables; `tests/abi.rs` compiles this file, runs it on every engine and holds it to what it says.
;;
;; It delivers unchanged what has no body to speak of, drops events whose type begins with "test.", and gives everything
;; else a header `x-weir: <length of the body, 4 digits>`.
(module
  ;; The manifest, readable without running. Optional; JSON.
  (@custom "weir:manifest" "{\"abi\":1,\"name\":\"by-hand\",\"version\":\"1.0.0\",\"eventTypes\":[]}")

  ;; One memory, exported under this name. Two pages are enough here: the first for what is ours, the second for the
  ;; input. A maximum may be given; the host writes its own limit where it is lower.
  (memory (export "memory") 2)

  ;; 1024: the mailbox. Eight u32s, little-endian: size, out_ptr, out_len, log_ptr, log_len, err_ptr, err_len, flags.
  ;; Only the size has to be there from the beginning.
  (data (i32.const 1024) "\20\00\00\00")
  ;; 2048: an output frame, all but four digits. Offsets count from the start of the frame.
  (data (i32.const 2048)
    "\01\00\00\00" "\01\00\00\00"                                  ;; version 1, one entry
    "\07\00\00\00" "\14\00\00\00" "\16\00\00\00"                   ;; key 7 (headers), offset 20, 22 bytes
    "\01\00\00\00" "\06\00\00\00" "\04\00\00\00" "x-weir" "0000")  ;; one header: name 6 bytes, value 4 bytes
  (global $value i32 (i32.const 2086))     ;; where the four digits are: 2048 + 20 + 12 + 6
  ;; 3072: a log line: level 3 (info), text, newline. 3088: a reason.
  (data (i32.const 3072) "\03has a body\n")
  (data (i32.const 3088) "a test event")

  ;; Optional: called first, once.
  (func (export "_initialize"))

  ;; Called once: where the mailbox is. The name is the version; a host that speaks another one never calls this.
  (func (export "weir_abi_v1") (result i32)
    (i32.const 1024))

  ;; Called once: where the host may write `len` bytes. 0 says: there is no room for that.
  (func (export "weir_input") (param $len i32) (result i32)
    (if (result i32) (i32.gt_u (local.get $len) (i32.const 65536))
      (then (i32.const 0))
      (else (i32.const 65536))))

  ;; The offset and the length of an entry of the input. The host promises keys 1 to 9 in order, so that the entry of
  ;; key k has its offset at 12 k, and its length after it.
  (func $entry (param $key i32) (result i32 i32)
    (local $at i32)
    (local.set $at (i32.add (i32.const 65536) (i32.mul (local.get $key) (i32.const 12))))
    (i32.add (i32.const 65536) (i32.load (local.get $at)))
    (i32.load offset=4 (local.get $at)))

  ;; Called once: the verdict.
  (func (export "weir_transform") (param $len i32) (result i32)
    (local $bytes i32) (local $length i32) (local $digit i32)

    ;; Key 2, the event's type: the bytes of "test" and "." are two loads.
    (call $entry (i32.const 2))
    (local.set $length)
    (local.set $bytes)
    (if (i32.ge_u (local.get $length) (i32.const 5)) (then
      (if (i32.and
            (i32.eq (i32.load (local.get $bytes)) (i32.const 0x74736574))
            (i32.eq (i32.load8_u offset=4 (local.get $bytes)) (i32.const 0x2e)))
        (then
          (i32.store (i32.const 1044) (i32.const 3088))  ;; err_ptr
          (i32.store (i32.const 1048) (i32.const 12))    ;; err_len
          (return (i32.const 2))))))                     ;; drop, with this reason

    ;; Key 9, the body.
    (call $entry (i32.const 9))
    (local.set $length)
    (drop)
    (if (i32.eqz (local.get $length))
      (then (return (i32.const 0))))                     ;; deliver unchanged

    ;; What is logged is read whatever happens next.
    (i32.store (i32.const 1036) (i32.const 3072))        ;; log_ptr
    (i32.store (i32.const 1040) (i32.const 12))          ;; log_len

    ;; Four digits, from the last.
    (local.set $digit (i32.const 4))
    (loop $next
      (local.set $digit (i32.sub (local.get $digit) (i32.const 1)))
      (i32.store8
        (i32.add (global.get $value) (local.get $digit))
        (i32.add (i32.const 48) (i32.rem_u (local.get $length) (i32.const 10))))
      (local.set $length (i32.div_u (local.get $length) (i32.const 10)))
      (br_if $next (local.get $digit)))

    (i32.store (i32.const 1028) (i32.const 2048))        ;; out_ptr
    (i32.store (i32.const 1032) (i32.const 42))          ;; out_len
    (i32.const 1)))                                      ;; replace: the output frame is a patch

;; Each step is one instruction that writes 64 KiB: its size is paid for.
;; expect: out_of_fuel
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (loop
      (memory.fill (i32.const 65536) (i32.const 7) (i32.const 65536))
      (br 0))
    (i32.const 0)))

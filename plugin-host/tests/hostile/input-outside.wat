;; The input is to go outside of the memory.
;; expect: bad_pointer
;; says: input
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 131072))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.const 0)))

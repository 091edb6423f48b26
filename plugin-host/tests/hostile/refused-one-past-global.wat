;; Code that names the global where the fuel will be: invalid now, and must not become valid.
;; expect: refused malformed
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (global.set 0 (i64.const 1000000000))
    (i32.const 0)))

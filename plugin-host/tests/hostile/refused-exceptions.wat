;; Exceptions would leave a function by another way.
;; expect: refused feature
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (tag $t)
  (func (export "weir_transform") (param i32) (result i32) (throw $t)))

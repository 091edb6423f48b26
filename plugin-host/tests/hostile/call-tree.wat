;; Two to the power of forty calls, never deep: fuel ends it, not the stack.
;; expect: out_of_fuel
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func $tree (param i32)
    (if (local.get 0) (then
      (call $tree (i32.sub (local.get 0) (i32.const 1)))
      (call $tree (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "weir_transform") (param i32) (result i32)
    (call $tree (i32.const 40))
    (i32.const 0)))

;; Copying tables is paid by the element.
;; expect: out_of_fuel
(module
  (memory (export "memory") 2)
  (table 10000 funcref)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (loop
      (table.copy (i32.const 0) (i32.const 5000) (i32.const 5000))
      (br 0))
    (i32.const 0)))

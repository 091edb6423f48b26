;; Recursion to a depth of a thousand is nothing bad, and its depth is given back on every way out.
;; expect: unchanged
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func $down (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (drop (br_if 0 (i32.const 0) (i32.eq (local.get 0) (i32.const 77))))
    (call $down (i32.sub (local.get 0) (i32.const 1))))
  (func (export "weir_transform") (param i32) (result i32) (local i32)
    (local.set 1 (i32.const 50))
    (loop
      (drop (call $down (i32.const 1000)))
      (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (i32.const 0)))

;; A selection by a comparison with zero, of what was not computed just before: each line is wrong on some engine that takes
;; the two together, and adds another number to the verdict.
;; expect: unchanged
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) i32.const 16)
  (func (export "weir_input") (param i32) (result i32) i32.const 1024)
  (func (export "weir_transform") (param $length i32) (result i32)
    (local $zero i32) (local $one i32) (local $sum i32)
    (local.set $one (i32.const 1))
    ;; Something else in the accumulator, if there is one.
    (local.set $sum (i32.mul (local.get $zero) (local.get $length)))
    (local.set $sum (i32.add (local.get $sum)
      (select (i32.const 0) (i32.const 100) (i32.eqz (local.get $zero)))))
    (local.set $sum (i32.add (local.get $sum)
      (select (i32.const 200) (local.get $zero) (i32.eqz (local.get $one)))))
    (local.set $sum (i32.add (local.get $sum)
      (select (local.get $zero) (i32.const 400) (i32.eq (local.get $zero) (i32.const 0)))))
    (local.set $sum (i32.add (local.get $sum)
      (select (i32.const 0) (i32.const 800) (i32.ne (local.get $one) (i32.const 0)))))
    (local.set $sum (i32.add (local.get $sum)
      (select (i32.const 1600) (i32.const 0) (block (result i32) (i32.ne (local.get $zero) (i32.const 0))))))
    (local.set $zero
      (select (i32.const 1) (local.get $zero) (i32.eqz (local.get $zero))))
    (i32.add (local.get $sum) (i32.sub (local.get $zero) (i32.const 1)))))

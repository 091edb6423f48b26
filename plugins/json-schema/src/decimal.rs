//! Whether one decimal number is a multiple of another, without floats.

use weir_plugin::json::Number;

/// Digits as an integer, and the power of ten that they are multiplied by.
fn parts(number: &Number<'_>) -> Option<(u128, i32)> {
    let text = number.as_text().trim_start_matches('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut digits = 0_u128;
    for digit in whole.bytes().chain(fraction.bytes()) {
        digits = digits.checked_mul(10)?.checked_add(u128::from(digit - b'0'))?;
    }
    let exponent = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    Some((digits, exponent))
}

/// A whole number that is not negative; `None` where it does not fit.
pub(crate) fn whole(number: &Number<'_>) -> Option<u128> {
    if *number == Number::from(0) {
        return Some(0);
    }
    let (digits, exponent) = parts(number)?;
    let scale = 10_u128.checked_pow(exponent.unsigned_abs())?;
    if exponent < 0 { digits.checked_div(scale) } else { digits.checked_mul(scale) }
}

/// Whether `number` is a whole multiple of `step`; `None` where that takes more than 128 bits to tell.
pub(crate) fn is_multiple(number: &Number<'_>, step: &Number<'_>) -> Option<bool> {
    let ((a, a_exponent), (b, b_exponent)) = (parts(number)?, parts(step)?);
    if a == 0 || b == 0 {
        return Some(a == 0);
    }
    let apart = a_exponent.checked_sub(b_exponent)?;
    let scale = 10_u128.checked_pow(apart.unsigned_abs());
    if apart >= 0 {
        Some((a % b).checked_mul(scale? % b)?.checked_rem(b)? == 0)
    } else {
        Some(a.checked_rem(b.checked_mul(scale?)?)? == 0)
    }
}

//! `get -x`: bytes as a framed table of sixteen a row, as Netty's `prettyHexDump` draws it.

use std::fmt::Write;

const ROW_BYTES: usize = 16;

/// The table, without a last new line; empty for no bytes.
pub fn hexdump(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let line = format!("+--------+{}+{}+", "-".repeat(ROW_BYTES * 3 + 1), "-".repeat(ROW_BYTES));
    let margin = " ".repeat(9);
    let digits: String = (0..ROW_BYTES).map(|digit| format!("  {digit:x}")).collect();
    let mut table = format!("{margin}+{}+\n{margin}|{digits} |\n{line}", "-".repeat(ROW_BYTES * 3 + 1));
    for (index, row) in bytes.chunks(ROW_BYTES).enumerate() {
        let hex: String = row.iter().map(|byte| format!(" {byte:02x}")).collect();
        let text: String = row.iter().map(|byte| visible(*byte)).collect();
        let width = ROW_BYTES * 3;
        let _ = write!(table, "\n|{:08x}|{hex:width$} |{text:ROW_BYTES$}|", index * ROW_BYTES);
    }
    table + "\n" + &line
}

fn visible(byte: u8) -> char {
    match byte {
        0x20..0x7f => char::from(byte),
        _ => '.',
    }
}

#[cfg(test)]
mod tests {
    use super::hexdump;

    #[test]
    fn rows_are_framed() {
        let expected = "         +-------------------------------------------------+
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
+--------+-------------------------------------------------+----------------+
|00000000| 68 65 6c 6c 6f 20 77 6f 72 6c 64 21 00 7f ff 41 |hello world!...A|
|00000010| 42                                              |B               |
+--------+-------------------------------------------------+----------------+";
        assert_eq!(hexdump(b"hello world!\0\x7f\xffAB"), expected);
        assert_eq!(hexdump(b""), "");
    }
}

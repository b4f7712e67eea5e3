//! The rights of a database user.

/// Rights that change nothing.
const HARMLESS: [&str; 4] = ["USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES"];

/// What everybody may do in the databases for tests that a `MariaDB` server is installed with.
const OF_TEST_DATABASES: [&str; 2] = [" ON `test`.* TO PUBLIC", r" ON `test\_%`.* TO PUBLIC"];

/// The rights in a line of `SHOW GRANTS` that a user who only reads does not need: `INSERT`,
/// `ALL PRIVILEGES`. The line itself may have a password's hash.
pub(super) fn too_many(grant: &str) -> Vec<String> {
    if OF_TEST_DATABASES.iter().any(|end| grant.ends_with(end)) {
        return Vec::new();
    }
    let Some((rights, _)) = grant
        .strip_prefix("GRANT ")
        .and_then(|rest| rest.split_once(" ON "))
    else {
        // A role, or something that gives no rights.
        return Vec::new();
    };
    let mut depth = 0_usize;
    // Without the columns of a right: SELECT (a, b).
    let plain: String = rights
        .chars()
        .filter(|letter| {
            match letter {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect();
    let rights = plain.split(',').map(|right| right.trim().to_uppercase());
    rights
        .filter(|right| !HARMLESS.contains(&right.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_to_write_are_named_without_what_else_the_line_has() {
        let none: [&str; 0] = [];
        for (grant, expected) in [
            (
                "GRANT USAGE ON *.* TO `ironpxe`@`%` IDENTIFIED BY PASSWORD '*6BB4837EB'",
                &none[..],
            ),
            (
                "GRANT SELECT, SHOW VIEW ON `ironic`.* TO `ironpxe`@`%`",
                &none,
            ),
            (
                "GRANT SELECT (`id`, `insert`), UPDATE (`name`) ON `ironic`.`nodes` TO `a`@`%`",
                &["UPDATE"],
            ),
            (
                "GRANT ALL PRIVILEGES ON `ironic`.* TO `ironic`@`%` WITH GRANT OPTION",
                &["ALL PRIVILEGES"],
            ),
            (
                "GRANT SELECT, INSERT, DELETE ON `ironic`.* TO `a`@`%`",
                &["INSERT", "DELETE"],
            ),
            ("GRANT `reader` TO `ironpxe`@`%`", &none),
            // As MariaDB is installed.
            (
                "GRANT SELECT, INSERT, CREATE ROUTINE ON `test`.* TO PUBLIC",
                &none,
            ),
            (
                r"GRANT SELECT, INSERT, CREATE ROUTINE ON `test\_%`.* TO PUBLIC",
                &none,
            ),
            ("GRANT INSERT ON `ironic`.* TO PUBLIC", &["INSERT"]),
            ("GRANT INSERT ON `test`.* TO `a`@`%`", &["INSERT"]),
        ] {
            assert_eq!(too_many(grant), expected, "{grant}");
        }
    }
}

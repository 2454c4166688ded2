//! All rows of the matrix, by what is disturbed.

mod agents;
mod blocked;
mod monitor;
mod network;
mod odd;
mod servers;

use super::Row;

/// Every row, in the order in which they are played.
pub fn all() -> Vec<&'static Row> {
    let parts: [&[Row]; 6] =
        [servers::ROWS, agents::ROWS, monitor::ROWS, network::ROWS, blocked::ROWS, odd::ROWS];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_that_can_be_typed_and_words() {
        let mut names: Vec<&str> = all().iter().map(|row| row.name).collect();
        assert!(names.len() >= 5);
        for row in all() {
            assert!(row.name.chars().all(|c| c.is_ascii_lowercase() || "-.0123456789".contains(c)));
            assert!(row.what.len() > 10 && !row.what.contains('|'), "{}", row.name);
        }
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "two rows of one name");
    }
}

//! What a core counts its answers as: the rows and columns of the metrics, and their names.

use super::stages;
use api::Call;
use http::Status;
use metrics::Names;
use wallet::outcome::ErrorCode;

/// The row of the metrics for answers that speak of HTTP alone, after the calls.
pub(super) const HTTP_ROW: usize = Call::ALL.len();

/// Columns of the metrics: each `ErrorCode` by its negated number, then each status.
const ERROR_CODES: usize = 16;

const STATUSES: [Status; 18] = [
    Status::Ok,
    Status::Created,
    Status::NoContent,
    Status::BadRequest,
    Status::Unauthorized,
    Status::NotFound,
    Status::MethodNotAllowed,
    Status::Timeout,
    Status::Conflict,
    Status::ContentTooLarge,
    Status::UriTooLong,
    Status::UnsupportedMediaType,
    Status::ExpectationFailed,
    Status::Unprocessable,
    Status::HeadTooLarge,
    Status::NotImplemented,
    Status::Unavailable,
    Status::VersionNotSupported,
];

pub(super) const CALL_NAMES: [&str; HTTP_ROW + 1] = {
    let mut names = ["http"; HTTP_ROW + 1];
    let mut at = 0;
    while at < HTTP_ROW {
        names[at] = Call::ALL[at].label();
        at += 1;
    }
    names
};

const ANSWER_NAMES: [&str; ERROR_CODES + STATUSES.len()] = [
    "0", "-1", "-2", "-3", "-4", "-5", "-6", "-7", "-8", "-9", "-10", "-11", "-12", "-13", "-14", "-15",
    "200", "201", "204", "400", "401", "404", "405", "408", "409", "413", "414", "415", "417", "422", "431",
    "501", "503", "505",
];

/// The names of what a core counts.
pub(super) const NAMES: Names = Names { calls: &CALL_NAMES, answers: &ANSWER_NAMES, stages: &stages::NAMES };

pub(super) const fn column_of_code(code: ErrorCode) -> usize {
    code.number().unsigned_abs() as usize
}

pub(super) fn column_of_status(status: Status) -> usize {
    let at = STATUSES.iter().position(|known| *known == status).expect("every status is listed");
    ERROR_CODES + at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_names_of_what_they_count() {
        for status in STATUSES {
            assert_eq!(ANSWER_NAMES[column_of_status(status)], status.code().to_string());
        }
        for code in [ErrorCode::Success, ErrorCode::Unknown, ErrorCode::StakeLimit, ErrorCode::GameNotFound] {
            assert_eq!(ANSWER_NAMES[column_of_code(code)], code.number().to_string());
        }
    }
}

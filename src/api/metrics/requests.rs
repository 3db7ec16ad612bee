//! Counts the requests to the control API by the class of their answer.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, web};

use super::super::server::Context;
use crate::net::tally::Count;

/// How many were answered, by class.
#[derive(Debug, Default)]
pub struct Requests([Count; 5]);

impl Requests {
    fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.0.get(class) {
            count.add(1);
        }
    }

    /// Each class, and how many.
    pub(super) fn now(&self) -> [(&'static str, u64); 5] {
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        std::array::from_fn(|class| (classes[class], self.0[class].now()))
    }
}

/// Counts what the guard and the routes answer, refusals included.
pub(crate) async fn count<B: MessageBody>(
    context: web::Data<Context>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let answer = next.call(req).await;
    context.requests.answered(match &answer {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    });
    answer
}

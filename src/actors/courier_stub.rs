//! STUB: stands where the Courier will be, and refuses. To be deleted with its line in `generation`.

use actix::{Actor, Context, Handler, MessageResult};

use super::messages::{
    Acknowledge, LetterWanted, LettersWanted, Pull, Push, Refused, Relays, RelaysWanted,
};

/// Refuses all that has to do with letters.
pub struct NoCourier;

impl Actor for NoCourier {
    type Context = Context<Self>;
}

macro_rules! refuses {
    ($($message:ty),*) => {$(
        impl Handler<$message> for NoCourier {
            type Result = MessageResult<$message>;

            fn handle(&mut self, _: $message, _: &mut Self::Context) -> Self::Result {
                MessageResult(Err(Refused { why: "this node has no mail yet".into() }))
            }
        }
    )*};
}

refuses!(Push, LettersWanted, LetterWanted, Pull, Acknowledge);

impl Handler<RelaysWanted> for NoCourier {
    type Result = MessageResult<RelaysWanted>;

    fn handle(&mut self, _: RelaysWanted, _: &mut Self::Context) -> Self::Result {
        MessageResult(Relays::default())
    }
}

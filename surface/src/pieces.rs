//! A body that is sent in pieces, so that the connection asks for the next one when there is room for it. The room that the whole
//! takes in memory is given back with the last one.

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use schema::Turn;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// The bytes of a piece.
const PIECE: usize = 64 * 1_024;

/// A body of these bytes, which keeps its room until they are taken.
pub fn pieces(rest: Bytes, room: Option<Turn>) -> Body {
    match room {
        None => Body::from(rest),
        Some(room) => Body::new(Pieces { rest, _room: room }),
    }
}

struct Pieces {
    rest: Bytes,
    _room: Turn,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

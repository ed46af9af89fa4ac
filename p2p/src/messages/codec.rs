//! Frames and responses as bytes.

use std::io;

use alloy_primitives::bytes::{Buf, Bytes};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

use super::{MAX_ANSWERS_BYTES, MAX_FRAME_BYTES, MAX_FRAME_MESSAGES};

/// The first byte of every frame and response.
const VERSION: u8 = 1;
/// Bytes of a response before its answers.
const RESPONSE_BYTES: usize = 3;
/// Enough for most frames of a quiet channel without growing.
const INITIAL_BUFFER: usize = 4096;

/// What arrives as a request.
///
/// A frame that breaks the format is a value and not an IO error: libp2p would swallow the
/// error, and the event loop must know who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Frame(Vec<Bytes>),
    Malformed(FrameError),
}

/// What goes back for a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Response {
    /// Every message is durable at the receiver, which has something to say to some of them.
    Committed(Vec<Bytes>),
    /// The receiver is still at work on the last frame; come again.
    Busy,
    /// The receiver will never take this frame.
    Refused(u8),
}

/// How a frame breaks the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("larger than {MAX_FRAME_BYTES} bytes")]
    Oversize,
    #[error("unknown version {0}")]
    Version(u8),
    #[error("ends too early")]
    Truncated,
    #[error("a count of {0} messages")]
    Count(u32),
    #[error("an empty message")]
    Empty,
    #[error("a number that is not in its shortest form")]
    Varint,
    #[error("{0} bytes after the last message")]
    Trailing(usize),
}

impl FrameError {
    /// The reason given to the sender. Codes below 16 belong to the frame format, the others
    /// to the node.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Oversize => 1,
            Self::Version(_) => 2,
            Self::Truncated => 3,
            Self::Count(_) => 4,
            Self::Empty => 5,
            Self::Varint => 6,
            Self::Trailing(_) => 7,
        }
    }
}

/// Bytes that `message_len` bytes take in a frame.
pub(crate) const fn framed_len(message_len: usize) -> usize {
    message_len + varint_len(message_len)
}

/// Bytes that a frame has beside its messages.
pub(crate) const fn header_len(count: usize) -> usize {
    1 + varint_len(count)
}

pub(crate) fn encode(messages: &[Bytes]) -> Vec<u8> {
    let body: usize = messages.iter().map(|message| framed_len(message.len())).sum();
    let mut frame = Vec::with_capacity(header_len(messages.len()) + body);
    frame.push(VERSION);
    put_varint(&mut frame, messages.len());
    for message in messages {
        put_varint(&mut frame, message.len());
        frame.extend_from_slice(message);
    }
    frame
}

/// True when answers fit into a response.
pub(crate) fn fits_an_answer(answers: &[Bytes]) -> bool {
    let body = answers.iter().map(|answer| framed_len(answer.len()));
    answers.len() <= MAX_FRAME_MESSAGES
        && body.fold(header_len(answers.len()), usize::saturating_add) <= MAX_ANSWERS_BYTES
}

fn encode_response(response: &Response) -> Vec<u8> {
    match response {
        Response::Committed(answers) if answers.is_empty() => vec![VERSION, 0, 0],
        Response::Committed(answers) => [vec![VERSION, 0, 0], encode(answers)].concat(),
        Response::Busy => vec![VERSION, 1, 0],
        Response::Refused(reason) => vec![VERSION, 2, *reason],
    }
}

fn decode_response(mut bytes: Bytes) -> Option<Response> {
    if bytes.len() < RESPONSE_BYTES {
        return None;
    }
    let head = bytes.split_to(RESPONSE_BYTES);
    match (&head[..], bytes.is_empty()) {
        ([VERSION, 0, 0], true) => Some(Response::Committed(Vec::new())),
        ([VERSION, 0, 0], false) if bytes.len() <= MAX_ANSWERS_BYTES => {
            decode(bytes).ok().map(Response::Committed)
        }
        ([VERSION, 1, 0], true) => Some(Response::Busy),
        ([VERSION, 2, reason], true) => Some(Response::Refused(*reason)),
        _ => None,
    }
}

/// Splits a frame into slices of its buffer; allocates only the table of slices.
pub(crate) fn decode(mut frame: Bytes) -> Result<Vec<Bytes>, FrameError> {
    if frame.len() > MAX_FRAME_BYTES {
        return Err(FrameError::Oversize);
    }
    let version = frame.try_get_u8().map_err(|_| FrameError::Truncated)?;
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let claimed = take_varint(&mut frame)?;
    let count = claimed as usize;
    if count == 0 || count > MAX_FRAME_MESSAGES {
        return Err(FrameError::Count(claimed));
    }
    // A message takes two bytes at least, so a short frame cannot claim a long table.
    if count > frame.len() / 2 {
        return Err(FrameError::Truncated);
    }
    let mut messages = Vec::with_capacity(count);
    for _ in 0..count {
        let length = take_varint(&mut frame)? as usize;
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length > frame.len() {
            return Err(FrameError::Truncated);
        }
        messages.push(frame.split_to(length));
    }
    if frame.is_empty() { Ok(messages) } else { Err(FrameError::Trailing(frame.len())) }
}

const fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => 3,
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// At most three bytes: no number in a frame is larger than the frame.
fn take_varint(bytes: &mut Bytes) -> Result<u32, FrameError> {
    let mut value = 0;
    for shift in [0, 7, 14] {
        let byte = bytes.try_get_u8().map_err(|_| FrameError::Truncated)?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return if byte == 0 && shift > 0 { Err(FrameError::Varint) } else { Ok(value) };
        }
    }
    Err(FrameError::Varint)
}

/// Moves frames and responses over a stream; runs on the connection's task.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameCodec;

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        // The buffer grows with what has arrived, never with what is claimed to come.
        let mut buffer = Vec::with_capacity(INITIAL_BUFFER);
        io.take(MAX_FRAME_BYTES as u64 + 1).read_to_end(&mut buffer).await?;
        Ok(match decode(buffer.into()) {
            Ok(messages) => Request::Frame(messages),
            Err(error) => Request::Malformed(error),
        })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut buffer = Vec::with_capacity(RESPONSE_BYTES + 1);
        let most = (RESPONSE_BYTES + MAX_ANSWERS_BYTES) as u64;
        io.take(most + 1).read_to_end(&mut buffer).await?;
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "not a response to a frame");
        decode_response(buffer.into()).ok_or_else(invalid)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match request {
            Request::Frame(messages) => io.write_all(&encode(&messages)).await,
            Request::Malformed(error) => Err(io::Error::other(error)),
        }
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&encode_response(&response)).await
    }
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;
    use libp2p::request_response::Codec as _;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const PROTOCOL: StreamProtocol = StreamProtocol::new(super::super::FRAME_PROTOCOL);

    fn messages(lengths: &[usize]) -> Vec<Bytes> {
        lengths.iter().map(|length| vec![0xab; *length].into()).collect()
    }

    fn decode_bytes(bytes: &[u8]) -> Result<Vec<Bytes>, FrameError> {
        decode(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn frames_come_back_as_they_went() {
        for lengths in [&[1][..], &[127, 128, 16_383, 16_384], &[110; 2000], &[1; 4096]] {
            let messages = messages(lengths);
            assert_eq!(decode(encode(&messages).into()), Ok(messages));
        }
    }

    #[test]
    fn the_encoding_is_fixed() {
        let frame = encode(&[Bytes::from_static(b"pay"), Bytes::from_static(b"me")]);
        assert_eq!(frame, b"\x01\x02\x03pay\x02me");
    }

    #[test]
    fn a_voucher_sized_message_costs_one_byte_of_framing() {
        let count = 590;
        let frame = encode(&messages(&vec![110; count]));
        assert_eq!(frame.len() - count * 110, count + header_len(count));
        assert_eq!(framed_len(110) - 110, 1);
        assert_eq!(framed_len(16_384) - 16_384, 3);
    }

    #[test]
    fn the_largest_message_fits_exactly() {
        let frame = encode(&messages(&[super::super::MAX_MESSAGE_BYTES]));
        assert_eq!(frame.len(), MAX_FRAME_BYTES);
        assert!(decode(frame.into()).is_ok());
    }

    #[test]
    fn refuses_everything_that_is_not_canonical() {
        assert_eq!(decode_bytes(b""), Err(FrameError::Truncated));
        assert_eq!(decode_bytes(b"\x02\x01\x01a"), Err(FrameError::Version(2)));
        assert_eq!(decode_bytes(b"\x01"), Err(FrameError::Truncated));
        assert_eq!(decode_bytes(b"\x01\x00"), Err(FrameError::Count(0)));
        assert_eq!(decode_bytes(b"\x01\x01\x00a"), Err(FrameError::Empty));
        assert_eq!(decode_bytes(b"\x01\x01\x02a"), Err(FrameError::Truncated));
        assert_eq!(decode_bytes(b"\x01\x01\x01ab"), Err(FrameError::Trailing(1)));
        assert_eq!(decode_bytes(b"\x01\x81\x00\x01a"), Err(FrameError::Varint));
        assert_eq!(decode_bytes(b"\x01\xff\xff\xff\x7fa"), Err(FrameError::Varint));
        assert_eq!(decode_bytes(b"\x01\xff\xff\x03\x01a"), Err(FrameError::Count(0xffff)));
        assert_eq!(decode_bytes(b"\x01\x80\x20\x01a"), Err(FrameError::Truncated));
    }

    #[test]
    fn any_changed_or_cut_frame_is_refused_or_another_valid_frame() {
        let frame = encode(&messages(&[3, 200, 1]));
        for index in 0..frame.len() {
            assert!(decode_bytes(&frame[..index]).is_err());
            for flip in 1..=255 {
                let mut changed = frame.clone();
                changed[index] ^= flip;
                if let Ok(messages) = decode_bytes(&changed) {
                    assert_eq!(encode(&messages), changed);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn decoding_is_total_and_canonical(
            header in prop_oneof![Just(vec![]), Just(vec![1]), (1..5u8).prop_map(|n| vec![1, n])],
            // Small numbers, so that lengths fit now and then.
            body in vec(prop_oneof![0..4u8, any::<u8>()], 0..40),
        ) {
            let bytes = [header, body].concat();
            if let Ok(messages) = decode_bytes(&bytes) {
                prop_assert_eq!(encode(&messages), bytes);
            }
        }
    }

    #[tokio::test]
    async fn reads_no_more_than_the_bound_of_an_endless_stream() {
        let mut stream = Cursor::new(vec![1; 4 * MAX_FRAME_BYTES]);
        let request = FrameCodec.read_request(&PROTOCOL, &mut stream).await.unwrap();
        assert_eq!(request, Request::Malformed(FrameError::Oversize));
        assert_eq!(stream.position(), MAX_FRAME_BYTES as u64 + 1);
    }

    #[test]
    fn answers_that_do_not_fit_are_known_before_they_leave() {
        let answer = |length: usize| Bytes::from(vec![7; length]);
        let most = MAX_ANSWERS_BYTES - header_len(1) - 3;
        assert!(fits_an_answer(&[answer(most)]) && fits_an_answer(&[]));
        assert!(!fits_an_answer(&[answer(most + 1)]));
        assert!(!fits_an_answer(&vec![answer(1); MAX_FRAME_MESSAGES + 1]));
    }

    #[tokio::test]
    async fn responses_are_strict() {
        let answered = Response::Committed(vec![Bytes::from_static(b"no"); 4_096]);
        for response in
            [Response::Committed(Vec::new()), answered, Response::Busy, Response::Refused(9)]
        {
            let mut stream = Cursor::new(Vec::new());
            FrameCodec.write_response(&PROTOCOL, &mut stream, response.clone()).await.unwrap();
            let mut stream = Cursor::new(stream.into_inner());
            assert_eq!(FrameCodec.read_response(&PROTOCOL, &mut stream).await.unwrap(), response);
        }
        let broken = [&b""[..], &[1, 0], &[1, 0, 1], &[1, 3, 0], &[2, 0, 0], &[1, 0, 0, 0]];
        // Answers that are none, and answers to what was not committed.
        let answers = [&[1, 0, 0, 1, 0][..], &[1, 0, 0, 1, 1, 1], &[1, 1, 0, 1, 1, 1, 7]];
        let endless = [&[1, 0, 0][..], &[1; MAX_ANSWERS_BYTES + 1]].concat();
        for bytes in broken.into_iter().chain(answers).chain([&endless[..]]) {
            let mut stream = Cursor::new(bytes);
            assert!(FrameCodec.read_response(&PROTOCOL, &mut stream).await.is_err());
        }
    }
}

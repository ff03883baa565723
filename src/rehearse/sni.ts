// Which host a client wants, by the first bytes that it sends: the name in TLS's hello (RFC 8446, RFC 6066), or HTTP's header.

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;

/** Undefined when the bytes are no hello with a name, or not all of it has come. */
export function hostOfHello(bytes: Buffer): string | undefined {
  try {
    if (bytes[0] !== HANDSHAKE || bytes[5] !== CLIENT_HELLO) return undefined;
    // Record (5), message (4), version (2), random (32); then three lists with their lengths before them.
    let at = 43;
    at += 1 + bytes.readUInt8(at);
    at += 2 + bytes.readUInt16BE(at);
    at += 1 + bytes.readUInt8(at);
    at += 2;
    for (;;) {
      const [type, length] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
      // In the extension: the list's length (2), the kind of name (1), the name's length (2).
      if (type === SERVER_NAME)
        return bytes
          .subarray(at + 9, at + 9 + bytes.readUInt16BE(at + 7))
          .toString("latin1")
          .toLowerCase();
      at += 4 + length;
    }
  } catch {
    return undefined;
  }
}

export const hostOfRequest = (bytes: Buffer): string | undefined => /^host:\s*([^\s:]+)/im.exec(bytes.toString("latin1"))?.[1]?.toLowerCase();

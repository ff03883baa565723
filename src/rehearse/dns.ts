// As much of DNS (RFC 1035) as a machine needs to find the gateway: every name has one IPv4 address, and no other.

const HEADER_BYTES = 12;
const TYPE_A = 1;
const CLASS_IN = 1;
const TTL_S = 60;
/** A response to a recursive query, which is understood. */
const FLAGS = 0x8180;

/** The answer to one query; undefined for what is no query. */
export function answerQuery(query: Buffer, addressOf: (name: string) => string): Buffer | undefined {
  const end = endOfQuestion(query);
  if (end === undefined) return undefined;
  const isAddress = query.readUInt16BE(end - 4) === TYPE_A && query.readUInt16BE(end - 2) === CLASS_IN;
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(FLAGS, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isAddress ? 1 : 0, 6);
  return Buffer.concat([header, query.subarray(HEADER_BYTES, end), ...(isAddress ? [record(addressOf(nameOf(query)))] : [])]);
}

/** Where the first question ends; a query has no compressed names. */
function endOfQuestion(query: Buffer): number | undefined {
  let at = HEADER_BYTES;
  for (let length = query[at]; length; length = query[at]) {
    if (length > 63) return undefined;
    at += length + 1;
  }
  const end = at + 5;
  return query.length >= end && query.readUInt16BE(4) === 1 ? end : undefined;
}

function nameOf(query: Buffer): string {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at]; length; length = query[at]) {
    labels.push(
      query
        .subarray(at + 1, at + 1 + length)
        .toString("latin1")
        .toLowerCase(),
    );
    at += length + 1;
  }
  return labels.join(".");
}

/** Its name is a pointer to the question's. */
function record(address: string): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
  record.writeUInt16BE(TYPE_A, 2);
  record.writeUInt16BE(CLASS_IN, 4);
  record.writeUInt32BE(TTL_S, 6);
  record.writeUInt16BE(4, 10);
  for (const [index, part] of address.split(".").entries()) record[12 + index] = Number(part);
  return record;
}

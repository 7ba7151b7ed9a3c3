// gzip (RFC 1952) for browsers without DecompressionStream: one member, as Python's gzip module writes it.
function inflateGzip(bytes) {
  const flags = bytes[3];
  let at = 10, bits = 0, held = 0, end = 0;
  if (bytes[0] !== 31 || bytes[1] !== 139 || bytes[2] !== 8 || flags & 0x1e) throw new Error("not the gzip expected");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Uint8Array(view.getUint32(bytes.length - 4, true));

  const take = (count) => {
    while (held < count) { bits |= bytes[at++] << held; held += 8; }
    const value = bits & ((1 << count) - 1);
    bits >>>= count; held -= count;
    return value;
  };
  // canonical Huffman codes (RFC 1951, 3.2.2): how many of each length, and the symbols in order of their codes
  const codesOf = (lengths) => {
    const counts = new Uint16Array(16), starts = new Uint16Array(16), symbols = new Uint16Array(lengths.length);
    for (const n of lengths) counts[n]++;
    counts[0] = 0;
    for (let n = 1; n < 15; n++) starts[n + 1] = starts[n] + counts[n];
    lengths.forEach((n, symbol) => { if (n) symbols[starts[n]++] = symbol; });
    return {counts, symbols};
  };
  const symbolOf = ({counts, symbols}) => {
    let code = 0, first = 0, index = 0;
    for (let n = 1; n < 16; n++) {
      code |= take(1);
      if (code - first < counts[n]) return symbols[index + code - first];
      index += counts[n];
      first = (first + counts[n]) << 1;
      code <<= 1;
    }
    throw new Error("damaged gzip");
  };
  const steps = (count, group, from) => { // base value and extra bits of each length or distance symbol
    const base = [from], extra = [];
    for (let n = 0; n < count; n++) {
      extra.push(Math.max(0, Math.floor(n / group) - 1));
      base.push(base[n] + (1 << extra[n]));
    }
    return {base, extra};
  };
  const lengthSteps = steps(28, 4, 3), distanceSteps = steps(30, 2, 1);
  lengthSteps.base[28] = 258; lengthSteps.extra[28] = 0;
  const fixed = () => [
    codesOf([...Array(288).keys()].map((n) => (n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8))), codesOf(Array(30).fill(5)),
  ];
  const dynamic = () => {
    const literals = take(5) + 257, distances = take(5) + 1, short = Array(19).fill(0), lengths = [];
    const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    for (let n = take(4) + 4, k = 0; k < n; k++) short[order[k]] = take(3);
    const codes = codesOf(short);
    while (lengths.length < literals + distances) {
      const symbol = symbolOf(codes);
      if (symbol < 16) { lengths.push(symbol); continue; }
      const what = symbol === 16 ? lengths[lengths.length - 1] : 0;
      const times = symbol === 16 ? 3 + take(2) : symbol === 17 ? 3 + take(3) : 11 + take(7);
      for (let k = 0; k < times; k++) lengths.push(what);
    }
    return [codesOf(lengths.slice(0, literals)), codesOf(lengths.slice(literals))];
  };

  for (let last = 0; !last;) {
    last = take(1);
    const kind = take(2);
    if (kind === 0) {
      bits = held = 0; // a stored block begins with a byte
      const length = bytes[at] | (bytes[at + 1] << 8);
      out.set(bytes.subarray(at + 4, at + 4 + length), end);
      at += 4 + length; end += length;
      continue;
    }
    const [literal, distance] = kind === 1 ? fixed() : dynamic();
    for (let symbol = symbolOf(literal); symbol !== 256; symbol = symbolOf(literal)) {
      if (symbol < 256) { out[end++] = symbol; continue; }
      const length = lengthSteps.base[symbol - 257] + take(lengthSteps.extra[symbol - 257]);
      const place = symbolOf(distance);
      const back = distanceSteps.base[place] + take(distanceSteps.extra[place]);
      for (let k = 0; k < length; k++, end++) out[end] = out[end - back];
    }
  }
  return out;
}

async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  if (typeof DecompressionStream === "undefined") return inflateGzip(packed);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

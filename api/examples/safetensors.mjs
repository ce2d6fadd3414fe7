// The cross entropy of one row as safetensors, both ways, in Node.js 18 or later: node safetensors.mjs
const url = process.env.LOSSD_URL ?? 'http://127.0.0.1:8080';
const media = 'application/x-safetensors';

// Eight bytes of length, a header in JSON, the tensors' bytes. Typed arrays are little-endian wherever Node.js runs.
function write(tensors) {
  const header = {};
  let end = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [end, (end += data.byteLength)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const bytes = ({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([length, text, ...Object.values(tensors).map(bytes)]);
}

// The F32 tensors of a file, copied, for they need not be aligned.
function read(body) {
  const start = 8 + Number(body.readBigUInt64LE(0));
  const { __metadata__: metadata, ...header } = JSON.parse(body.toString('utf8', 8, start));
  const tensors = Object.entries(header).map(([name, { data_offsets: [from, to] }]) => [
    name,
    new Float32Array(new Uint8Array(body.subarray(start + from, start + to)).buffer),
  ]);
  return { ...Object.fromEntries(tensors), totals: JSON.parse(metadata.totals) };
}

async function crossEntropy(tensors, options = {}) {
  const query = new URLSearchParams({ outputs: 'loss,grad', ...options });
  const reply = await fetch(`${url}/v1/losses/cross_entropy?${query}`, {
    method: 'POST',
    headers: { 'Content-Type': media, Accept: media },
    body: write(tensors),
    signal: AbortSignal.timeout(30_000),
  });
  if (!reply.ok) {
    const error = await reply.json();
    throw new Error(`${error.code}: ${error.detail} (request ${error.request_id})`);
  }
  return read(Buffer.from(await reply.arrayBuffer()));
}

const { loss, grad } = await crossEntropy({
  targets: { dtype: 'I64', shape: [1], data: new BigInt64Array([0n]) },
  logits: { dtype: 'F32', shape: [1, 3], data: new Float32Array([-0.7715, -0.6205, -0.2562]) },
});
const digits = (number) => String(Number(number.toPrecision(8)));
console.log('loss', digits(loss[0]));
console.log('grad', [...grad].map(digits).join(' '));

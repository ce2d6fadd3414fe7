// Sends problems, one a line of standard input, by a wire that it writes itself, and prints what came back, one line
// each: node main.mjs safetensors|base64|oip URL
import { createInterface } from 'node:readline';

// Numbers of the totals may be 2^53 and more, or strings where JSON has no number: none of them is touched.
const TOTALS = ['loss_sum', 'denominator', 'rows', 'counted', 'ignored'];
const totalsOf = (members) =>
  Object.fromEntries(TOTALS.filter((name) => name in members).map((name) => [name, members[name]]));

async function post(url, headers, body) {
  const reply = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(60_000) });
  if (reply.status !== 200) throw new Error(`${reply.status}: ${await reply.text()}`);
  return { headers: reply.headers, body: Buffer.from(await reply.arrayBuffer()) };
}

// ---------------------------------------------------------------- safetensors

function writeSafetensors(tensors) {
  const header = {};
  let end = 0;
  for (const { name, dtype, shape, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, (end += data.length)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...tensors.map((tensor) => tensor.data)]);
}

function readSafetensors(body) {
  const start = 8 + Number(body.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(body.toString('utf8', 8, start));
  const outputs = Object.entries(entries).map(([name, { dtype, shape, data_offsets: [from, to] }]) => ({
    name,
    dtype,
    shape,
    data: body.subarray(start + from, start + to),
  }));
  return { outputs, totals: totalsOf(JSON.parse(metadata?.totals ?? '{}')) };
}

async function bySafetensors(base, { loss, arguments: given, outputs, tensors }) {
  const query = new URLSearchParams(given);
  if (outputs.length > 0) query.set('outputs', outputs.join(','));
  const media = 'application/x-safetensors';
  const url = `${base}/v1/losses/${loss}?${query}`;
  const reply = await post(url, { 'Content-Type': media, Accept: media }, writeSafetensors(tensors));
  return readSafetensors(reply.body);
}

// ---------------------------------------------------------------- base64 in JSON

// Of a scalar, which is a number, or a word where JSON has none; its type is not said.
const DOUBLES = ['accuracy', 'topk_accuracy', 'perplexity', 'ece', 'bits_per_byte', 'agreement', 'clip_fraction', 'kl'];
function scalar(name, value, tensors) {
  const names = ['logits', 'log_probs', 'probs', 'predictions'];
  const dtype = tensors.find((tensor) => names.includes(tensor.name))?.dtype;
  const double = dtype === 'F64' || DOUBLES.includes(name);
  const data = Buffer.from((double ? new Float64Array([value]) : new Float32Array([value])).buffer);
  return { name, dtype: double ? 'F64' : 'F32', shape: [], data };
}

async function byBase64(base, { loss, arguments: given, outputs, tensors }) {
  const members = { ...given, tensors: 'base64' };
  if (outputs.length > 0) members.outputs = outputs;
  for (const { name, dtype, shape, data } of tensors) {
    members[name] = { dtype, shape, base64: data.toString('base64') };
  }
  const url = `${base}/v1/losses/${loss}`;
  const reply = await post(url, { 'Content-Type': 'application/json' }, JSON.stringify(members));
  const { totals, metrics, warnings, ...found } = JSON.parse(reply.body.toString());
  const named = Object.entries(found).map(([name, value]) =>
    typeof value === 'object'
      ? { name, dtype: value.dtype, shape: value.shape, data: Buffer.from(value.base64, 'base64') }
      : scalar(name, value, tensors),
  );
  return { outputs: named, totals: totalsOf(totals ?? {}) };
}

// ---------------------------------------------------------------- Open Inference Protocol

const OIP_NAMES = {
  F64: 'FP64', F32: 'FP32', F16: 'FP16', BF16: 'BF16', I64: 'INT64', I32: 'INT32', I16: 'INT16', I8: 'INT8',
  U64: 'UINT64', U32: 'UINT32', U16: 'UINT16', U8: 'UINT8', BOOL: 'BOOL',
};
const PLAIN_NAMES = Object.fromEntries(Object.entries(OIP_NAMES).map(([plain, oip]) => [oip, plain]));
const LENGTH_HEADER = 'Inference-Header-Content-Length';

function writeOIP({ arguments: given, outputs, tensors }) {
  const request = {
    parameters: { ...given, binary_data_output: true },
    inputs: tensors.map(({ name, dtype, shape, data }) => ({
      name,
      datatype: OIP_NAMES[dtype],
      shape,
      parameters: { binary_data_size: data.length },
    })),
  };
  if (outputs.length > 0) request.outputs = outputs.map((name) => ({ name }));
  return Buffer.from(JSON.stringify(request));
}

function readOIP(document, bytes) {
  let at = 0;
  const outputs = document.outputs.map(({ name, datatype, shape, parameters }) => {
    const data = bytes.subarray(at, (at += parameters?.binary_data_size ?? 0));
    return { name, dtype: PLAIN_NAMES[datatype], shape, data };
  });
  if (at !== bytes.length) throw new Error(`${bytes.length} bytes after the document, not ${at}`);
  return { outputs, totals: totalsOf(document.parameters ?? {}) };
}

async function byOIP(base, problem) {
  const document = writeOIP(problem);
  const headers = { 'Content-Type': 'application/octet-stream', [LENGTH_HEADER]: String(document.length) };
  const body = Buffer.concat([document, ...problem.tensors.map((tensor) => tensor.data)]);
  const reply = await post(`${base}/v2/models/${problem.loss}/infer`, headers, body);
  const size = Number(reply.headers.get(LENGTH_HEADER) ?? reply.body.length);
  return readOIP(JSON.parse(reply.body.toString('utf8', 0, size)), reply.body.subarray(size));
}

// ---------------------------------------------------------------- lines

const wires = { safetensors: bySafetensors, base64: byBase64, oip: byOIP };
const [wire, base] = process.argv.slice(2);
if (!wires[wire] || !base) {
  console.error('usage: node main.mjs safetensors|base64|oip URL');
  process.exit(2);
}

async function answer(line) {
  const problem = JSON.parse(line);
  for (const tensor of problem.tensors) tensor.data = Buffer.from(tensor.data, 'base64');
  const { outputs, totals } = await wires[wire](base, problem);
  return { outputs: outputs.map((output) => ({ ...output, data: output.data.toString('base64') })), totals };
}

for await (const line of createInterface({ input: process.stdin })) {
  const reply = await answer(line).catch((error) => ({ error: String(error) }));
  console.log(JSON.stringify(reply));
}

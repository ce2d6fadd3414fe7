// The cross entropy of one row with fetch, in Node.js 18 or later: node fetch.mjs
const url = process.env.LOSSD_URL ?? 'http://127.0.0.1:8080';

async function crossEntropy(logits, targets, options = {}) {
  const reply = await fetch(`${url}/v1/losses/cross_entropy`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ logits, targets, outputs: ['loss', 'grad'], ...options }),
    signal: AbortSignal.timeout(30_000),
  });
  const body = await reply.json();
  if (!reply.ok) {
    throw new Error(`${body.code}: ${body.detail} (request ${body.request_id})`);
  }
  return body;
}

const { loss, grad } = await crossEntropy([[-0.7715, -0.6205, -0.2562]], [0]);
console.log('loss', String(loss));
console.log('grad', grad[0].map(String).join(' '));

// Stand-in for `k6/encoding`.

const VARIANTS = {
  std: (bytes) => bytes.toString('base64'),
  rawstd: (bytes) => bytes.toString('base64').replace(/=+$/, ''),
  url: (bytes) => bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_'),
  rawurl: (bytes) => bytes.toString('base64url'),
};

export function b64encode(input, variant = 'std') {
  return VARIANTS[variant](Buffer.from(input));
}

export default { b64encode };

// Stand-in for `k6/execution`: the one call of it that the scripts make.

export const test = {
  // k6 leaves the script at this point, and so must we.
  abort(reason = 'test aborted') {
    throw new Error(`the script ended the run: ${reason}`);
  },
};

export default { test };

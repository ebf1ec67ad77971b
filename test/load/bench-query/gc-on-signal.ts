/**
 * Loaded into the processes whose memory is measured (`--import`, with `--expose-gc`): SIGUSR2 collects garbage, so that what is
 * left is what sessions cost and not what their making left behind.
 */
process.on('SIGUSR2', () => {
  for (let i = 0; i < 3; i += 1) globalThis.gc?.();
});

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { budget } from './build/budget.mjs';
import { compressed } from './build/compressed.mjs';
import { questions } from './build/questions.mjs';

/** `dist/web` is what the API serves: nothing inline, so that its Content-Security-Policy allows no inline code. */
export default defineConfig({
  plugins: [react(), questions(), budget(), compressed()],
  build: {
    outDir: 'dist/web',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    rolldownOptions: { checks: { pluginTimings: false } },
    // The sizes that count are those of build/budget.mjs.
    chunkSizeWarningLimit: 4_096,
  },
  worker: { format: 'es', plugins: () => [questions()] },
});

import { createRoot } from 'react-dom/client';
import { App } from './app/app.js';
import { applyPreferences } from './preferences/preferences.js';
import { askForSignIns } from './session/reauthentication.js';
import './styles/tokens.css';
import './styles/base.css';

applyPreferences();
askForSignIns();
const root = document.querySelector('#root');
if (root !== null) createRoot(root).render(<App />);

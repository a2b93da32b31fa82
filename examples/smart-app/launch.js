// An EHR opens this page with `iss` and `launch`: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
import { CLIENT_ID, FROM_AN_EHR, REDIRECT, told } from './app.js';

FHIR.oauth2
  .authorize({ clientId: CLIENT_ID, scope: FROM_AN_EHR, redirectUri: REDIRECT, pkceMode: 'required' })
  .catch((fault) => { document.getElementById('state').textContent = told(fault); });

// Who this app is to a server; the sandbox of `make serve` knows it by this name.
export const CLIENT_ID = 'history-app';
export const REDIRECT = new URL('.', location.href).href;
export const SERVER = 'http://127.0.0.1:8080/fhir';
export const STANDALONE = 'openid fhirUser launch/patient patient/*.rs';
export const FROM_AN_EHR = 'openid fhirUser launch patient/*.rs';

// What went wrong, for the person who reads the page.
export const told = (fault) => `Le serveur n’a pas ouvert le dossier : ${fault?.message ?? fault}`;

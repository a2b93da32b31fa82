// No script stands in the page itself: its policy allows none.
window.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#routes',
  deepLinking: false,
  docExpansion: 'list',
  defaultModelsExpandDepth: -1,
  validatorUrl: null,
  syntaxHighlight: false,
});

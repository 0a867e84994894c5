"use strict";
window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  // A token that is typed in is gone with the page.
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
  docExpansion: "none",
});

/* The replies that do not evaluate anything: discovery, error paragraphs, the contract, the page at
 * "/". */
#ifndef LOSSD_PAGES_H
#define LOSSD_PAGES_H

#include "loss.h"
#include "settings/config.h"

/* Each appends a body to `out`; false when there is no memory. */
bool pages_losses(struct loss_buffer *out, const struct config *config);
bool pages_loss(struct loss_buffer *out, const struct loss_info *loss, const struct config *config);
bool pages_problem(struct loss_buffer *out, loss_status status); /* text/html */
bool pages_index(struct loss_buffer *out, bool keys);            /* text/html */

/* api/openapi.yaml as it was at build time, and the same document as JSON; static. */
const unsigned char *pages_openapi_yaml(size_t *size);
const unsigned char *pages_openapi_json(size_t *size);

#endif

/* What libmicrohttpd is given of a reply. */
#ifndef LOSSD_RESPONSE_H
#define LOSSD_RESPONSE_H

#include <microhttpd.h>
#include <stdbool.h>

struct request;

/* Of the request's reply, which is complete. The body stays the request's, which is freed after it
 * has been sent. close: the connection ends with it. NULL where there is no memory. */
struct MHD_Response *response_make(struct request *request, bool close);

/* That a request could not be begun: for want of budget, else of memory itself; below /v2, or not.
 */
struct MHD_Response *response_make_refusal(bool v2, bool budget);

#endif

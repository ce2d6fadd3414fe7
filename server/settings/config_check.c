#include "config_check.h"

#include "address.h"

/* Settings of which the first needs the second, or a listener of TLS where that is NULL. */
static bool check_files(const struct config *c, bool listens)
{
	const struct {
		const char *key, *value;
		const char *needs, *needed;
	} rules[] = {
		{"tls_certificate", c->tls_certificate, "tls_key", c->tls_key},
		{"tls_key", c->tls_key, "tls_certificate", c->tls_certificate},
		{"tls_client_ca", c->tls_client_ca, "tls_certificate", c->tls_certificate},
		{"tls_certificate", c->tls_certificate, NULL, NULL},
	};
	char shown[80];
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		if (!config_is_set(rules[i].value) ||
		    (rules[i].needs ? config_is_set(rules[i].needed) : listens))
			continue;
		config_show(rules[i].value, shown, sizeof shown);
		if (rules[i].needs)
			config_complain("%s is \"%s\", but %s is none; set both", rules[i].key,
					shown, rules[i].needs);
		else
			config_complain("%s is \"%s\", but listen has no address of TLS, like "
					"tls:0.0.0.0:8443",
					rules[i].key, shown);
		return false;
	}
	return true;
}

bool config_check(const struct config *config)
{
	int n = 0;
	const char *listener = addresses_find(config->listen, true, &n);
	if (listener && !config_is_set(config->tls_certificate) &&
	    !config_is_set(config->tls_key)) {
		config_complain("listen has %.*s, but tls_certificate and tls_key are none; set "
				"both",
				n, listener);
		return false;
	}
	return check_files(config, listener != NULL);
}

"""How phone systems prove who they are, on the upgrade request of a media stream and on requests for an answer."""

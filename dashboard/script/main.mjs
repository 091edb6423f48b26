// The little that the dashboard's pages do by themselves. Every page can be read and used without it.

import "./frame.mjs";
import "./sign-in.mjs";
import "./times.mjs";
import "./keep-open.mjs";
import "./polling.mjs";
import "./faults.mjs";
import "./groups.mjs";
import "./filter.mjs";
import "./find.mjs";
import "./copy.mjs";
import "./toasts.mjs";
import "./skeletons.mjs";
import "./palette.mjs";
import "./tail.mjs";

// The style of the report page: light and dark, screen and paper.

#ifndef EPLB_TOOLS_REPORT_REPORT_STYLE_H_
#define EPLB_TOOLS_REPORT_REPORT_STYLE_H_

namespace eplb {

inline constexpr char kReportStyle[] = R"css(
:root{color-scheme:light dark;--page:#fbfbf9;--card:#fff;--text:#1c2024;
--soft:#5a636b;--line:#d9dcd8;--with:#1f5fa8;--without:#a05a00;--mark:#6d7680;
--h0:#2f6fa8;--h1:#6ba3cf;--h2:#a9cbe5;--h3:#d7e6f1;--h4:#eeeee8;--h5:#fbe0c0;
--h6:#f6b87f;--h7:#e98945;--h8:#cc4f24;--h9:#8a1a1a}
@media (prefers-color-scheme:dark){:root{--page:#15181a;--card:#1d2123;
--text:#e6e8e6;--soft:#a3adb3;--line:#353b3f;--with:#7db7f5;--without:#e6a256;
--mark:#8b959c;--h0:#79b8f2;--h1:#5291c9;--h2:#3a6a96;--h3:#2c465c;--h4:#2b2f31;
--h5:#574230;--h6:#8a5a30;--h7:#c27133;--h8:#ec8450;--h9:#ffb9a3}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--text:#000;
--soft:#444;--line:#bbb;--with:#1f5fa8;--without:#a05a00;--mark:#555;
--h0:#2f6fa8;--h1:#6ba3cf;--h2:#a9cbe5;--h3:#d7e6f1;--h4:#eeeee8;--h5:#fbe0c0;
--h6:#f6b87f;--h7:#e98945;--h8:#cc4f24;--h9:#8a1a1a}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:75rem;margin:0 auto;padding:1.5rem 1.25rem 3rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .5rem}
h3{font-size:1rem;margin:0 0 .35rem;font-weight:600}
p{margin:.25rem 0 .5rem}
.soft,figcaption,caption,dt{color:var(--soft)}
header p{overflow-wrap:anywhere}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;
padding:1rem 1.15rem;margin-top:1.1rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.8rem,1fr));
gap:.7rem;margin:1.1rem 0 0;padding:0}
.tiles div{background:var(--card);border:1px solid var(--line);
border-radius:8px;padding:.55rem .8rem}
.tiles div{display:flex;flex-direction:column;justify-content:space-between}
.tiles dt{font-size:.82rem;line-height:1.35;margin-bottom:.2rem}
.tiles dd{margin:0;font-size:1.22rem;white-space:nowrap;font-weight:600;line-height:1.3;
font-variant-numeric:tabular-nums}
figure{margin:0;min-width:0}
svg{display:block;width:100%;height:auto;overflow:visible}
svg:focus-visible{outline:2px solid var(--with);outline-offset:4px}
.axis path{stroke:var(--line);fill:none}
.axis text{fill:var(--soft);font-size:11.5px;font-variant-numeric:tabular-nums}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.with{stroke:var(--with)}
.without{stroke:var(--without);stroke-dasharray:5 3}
.marks path{stroke:var(--mark);stroke-dasharray:2 3}
.marks .head{fill:var(--mark);stroke:none}
.cursor{stroke:var(--text);fill:none}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;margin:.2rem 0 .4rem;
padding:0;list-style:none;font-size:.9rem}
.key svg{display:inline-block;width:30px;height:12px;vertical-align:-1px;
margin-right:.45em}
.maps{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,
100%),1fr));gap:1.2rem}
.scale{max-width:442px;margin:.2rem 0 1rem}
.h0{fill:var(--h0)}.h1{fill:var(--h1)}.h2{fill:var(--h2)}.h3{fill:var(--h3)}
.h4{fill:var(--h4)}.h5{fill:var(--h5)}.h6{fill:var(--h6)}.h7{fill:var(--h7)}
.h8{fill:var(--h8)}.h9{fill:var(--h9)}
rect.at{stroke:var(--text);stroke-width:1.5}
.readout{min-height:1.5em;font-variant-numeric:tabular-nums;font-size:.9rem}
.keys{color:var(--soft);font-size:.85rem;margin:.3rem 0 0}
.scroll{overflow-x:auto}
.scroll:focus-visible{outline:2px solid var(--with)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;
font-size:.92rem}
caption{text-align:left;padding-bottom:.35rem}
th,td{padding:.22rem .9rem;text-align:right;border-bottom:1px solid var(--line);
vertical-align:top}
thead th{font-weight:600;color:var(--soft);vertical-align:bottom}
tbody th{font-weight:inherit}
.name{text-align:left;overflow-wrap:break-word}
th:first-child,td:first-child{padding-left:.3rem}
tr.shown{font-weight:600}
details{margin-top:.8rem}
summary{cursor:pointer;color:var(--soft)}
footer{margin-top:1.5rem;color:var(--soft);font-size:.85rem}
@media (min-width:62rem){.tiles{
grid-template-columns:repeat(var(--columns),1fr)}}
@media print{html{font-size:10.5px}.together{break-inside:avoid}
th,td{padding-top:.1rem;padding-bottom:.1rem}main{max-width:none;padding:0}
section,.tiles div{border-color:#bbb;break-inside:avoid;padding:.5rem .7rem}
section.long{break-inside:auto}tr,figure{break-inside:avoid}
thead{display:table-header-group}
.tiles{grid-template-columns:repeat(var(--columns),1fr)}
details::details-content{content-visibility:visible;block-size:auto}
.maps{grid-template-columns:1fr 1fr}.readout,.keys,.cursor{display:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_REPORT_STYLE_H_

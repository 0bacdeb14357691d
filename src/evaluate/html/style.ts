/** The style sheet of the report. No font, picture or rule from elsewhere; dark where the reader's system is; prints. */
import { customProperties, dark, heatClasses, light } from './palette.ts'

export const style: string = `
:root{color-scheme:light;${customProperties(light)}}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;${customProperties(dark)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1120px;margin:0 auto;padding:3.5rem 2.5rem 5rem}
h1{font-size:clamp(1.9rem,4.6vw,2.75rem);line-height:1.12;letter-spacing:-.022em;margin:.35rem 0 .8rem;font-weight:650;overflow-wrap:anywhere}
h2{font-size:1.4rem;line-height:1.25;letter-spacing:-.012em;margin:0 0 .35rem;font-weight:640}
h3{font-size:.95rem;margin:0 0 .6rem;font-weight:620}
p{margin:0 0 1rem}
section{margin-top:3.75rem;padding-top:1.6rem;border-top:1px solid var(--line)}
.eyebrow{color:var(--muted);font-size:.85rem;margin:0}
.eyebrow time{white-space:nowrap}
.lede{font-size:1.16rem;line-height:1.5;max-width:44rem;margin:0;text-wrap:pretty}
.note{color:var(--muted);max-width:44rem;font-size:.95rem}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:2rem 2.75rem;margin-top:1.5rem}
.two>*{min-width:0}
.beside{display:flex;flex-wrap:wrap;gap:2rem 3.25rem;align-items:flex-start}.beside>*{min-width:0;max-width:100%}.beside>:last-child{flex:1 1 20rem;margin-top:1.2rem}
.below{margin-top:2.25rem;max-width:46rem}
figure{margin:0}
figcaption{color:var(--muted);font-size:.9rem}
.hero{display:grid;grid-template-columns:minmax(0,5fr) minmax(0,6fr);gap:1.5rem 3.5rem;align-items:end;margin-top:2.5rem}
.figure{font-size:clamp(3.6rem,9vw,5.75rem);line-height:.95;letter-spacing:-.045em;font-weight:660}
.figure small{font-size:.5em;letter-spacing:0;font-weight:500;color:var(--muted);margin-left:.1em}
p,li,dt,dd,h2,h3{overflow-wrap:anywhere}
a{color:var(--blue)}
article{margin-top:3.75rem;padding-top:1.6rem;border-top:2px solid var(--ink)}article>header h2{font-size:1.9rem}header>.scroll{margin-top:1.6rem}
.facts,.headline,.key-facts{margin:0;display:grid}.facts dd,.headline dd,.key-facts dd{margin:0}
.facts dt,.key-facts dt{color:var(--muted);font-size:.85rem}
.key-facts{grid-template-columns:repeat(3,1fr);gap:1.4rem 1.5rem}
.key-facts dd{overflow-wrap:normal;font-size:1.5rem;font-weight:600;letter-spacing:-.015em;line-height:1.25}
.headline dt{font-weight:620;margin-bottom:.4rem}
.headline .range{color:var(--muted);margin-top:.7rem}
.gauge{margin-top:1.3rem;max-width:440px}
.gauge .track{fill:var(--line)}.gauge .fill{fill:var(--blue)}.gauge .whisker{fill:var(--ink)}
.facts{grid-template-columns:repeat(auto-fill,minmax(min(100%,15rem),1fr));gap:1.1rem 2rem;margin-top:1.2rem}
.facts dd{overflow-wrap:anywhere}
.kept{grid-template-columns:repeat(auto-fill,minmax(10rem,1fr))}.kept dd{font-size:1.15rem;font-weight:600}
.chart{display:block;width:100%;height:auto;max-width:560px;overflow:visible}
.chart text{font-size:12px;fill:var(--muted)}
.chart .grid{stroke:var(--line);stroke-width:1}
.chart .mark{stroke:var(--muted);stroke-width:1;stroke-dasharray:2 3}
.chart .ideal{stroke:var(--muted);stroke-width:1;stroke-dasharray:4 4}
.chart .dot{fill:var(--blue)}
.chart .series{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .series.training{stroke:var(--blue);stroke-dasharray:5 4}
.chart .series.single{stroke:var(--blue)}.chart .end.single,.chart .label.single{fill:var(--blue)}
.chart .series.validation{stroke:var(--orange);stroke-width:2.5}
.chart .end.training{fill:var(--blue)}.chart .end.validation{fill:var(--orange)}
.chart .label{font-weight:600}.chart .label.training{fill:var(--blue)}.chart .label.validation{fill:var(--orange)}
.chart .label .value{font-weight:400;fill:var(--ink)}
.chart .bin{fill:var(--blue);stroke:var(--page);stroke-width:1.5}
.chart .bin.few{fill:var(--page);stroke:var(--blue);stroke-width:2}
.chart .gap{stroke:var(--orange);stroke-width:2}
.chart .bar{fill:var(--muted);opacity:.45}
.scroll{overflow-x:auto;max-width:100%}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--blue);outline-offset:3px;border-radius:3px}
table{border-collapse:collapse}
table.rows{width:100%;font-size:.95rem}
.rows th,.rows td{padding:.42rem .9rem .42rem 0;border-bottom:1px solid var(--line);text-align:right;font-weight:400;white-space:nowrap}
.rows tr>:last-child{padding-right:.2rem}
.rows thead th{color:var(--muted);font-size:.85rem;vertical-align:bottom}
.rows th:first-child,.rows .text{text-align:left}
.rows td.text,.rows thead th.text{padding-left:1.2rem}
.rows tbody th{font-weight:600;max-width:16rem;overflow:hidden;text-overflow:ellipsis}
.rows .range{color:var(--muted);font-size:.85rem}
.meter{display:inline-block;width:7rem;height:.5rem;background:var(--line);border-radius:.25rem;margin-left:.7rem;overflow:hidden;vertical-align:.05em}
.meter i{display:block;height:100%;background:var(--blue);border-radius:.25rem}
.matrix{--cell:clamp(25px,calc((100vw - 8.6rem)/var(--n) - 2px),46px);table-layout:fixed;border-collapse:separate;border-spacing:2px;margin-top:1rem}
.matrix.close{--cell:34px}.matrix.dense{--cell:clamp(16px,calc((min(100vw,1120px) - 15rem)/var(--n) - 1px),20px);border-spacing:1px}
.matrix.few{--cell:clamp(56px,calc((100vw - 9rem)/var(--n)),112px)}.matrix.few td{height:48px}.matrix.few thead th:not(.axis) span{display:block;max-width:var(--cell);text-overflow:ellipsis;margin:auto}
.matrix td{width:var(--cell);min-width:var(--cell);height:calc(var(--cell)*.82);text-align:center;padding:0;border-radius:3px;
font-size:clamp(8px,calc(var(--cell)*.36),14px);line-height:1}
.matrix.dense td{height:18px;border-radius:2px;letter-spacing:-.03em}
.matrix .none{color:var(--muted);background:var(--surface)}
.matrix.dense .none,.matrix.close .none{color:transparent}
.matrix .hit{font-weight:650}
.matrix .none.hit{color:var(--ink)}
.matrix th{font-weight:500;font-size:.85rem;padding:0;white-space:nowrap}
.matrix.dense th{font-size:.7rem}
.matrix tbody th{text-align:right;line-height:1.2;padding-right:.6rem;position:sticky;left:0;background:var(--page)}
.matrix tbody th span{display:block;max-width:9rem;overflow:hidden;text-overflow:ellipsis}
.matrix thead th:not(.axis){vertical-align:bottom;padding-bottom:.3rem}
.matrix thead th:not(.axis) span{display:inline-block;max-height:8.5rem;overflow:hidden;text-overflow:ellipsis}
.matrix.upright thead th:not(.axis) span{writing-mode:vertical-rl;transform:rotate(180deg)}
.matrix .axis{color:var(--muted);font-weight:400;text-align:left;padding-left:2px}
.matrix th.axis.corner{text-align:right;vertical-align:bottom;padding:0 .6rem .3rem 0}
.matrix td.corner,.matrix.few td.corner{width:auto;height:auto}
${heatClasses(light)}
.key{display:flex;flex-wrap:wrap;align-items:center;gap:2px;margin:1rem 0 0;font-size:.8rem;color:var(--muted)}
.key b{min-width:2rem;padding:.12rem .3rem;text-align:center;font-weight:500;border-radius:2px}
.key span{margin-right:.45rem}.key span:last-child{margin-left:.3rem}
.mistakes{list-style:none;margin:1.5rem 0 0;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(6.9rem,1fr));gap:1.6rem 1.15rem}
.mistakes.wide{grid-template-columns:repeat(auto-fill,minmax(10.2rem,1fr))}
.mistakes.wide p:not(.file){display:grid;grid-template-columns:minmax(0,1fr) auto;align-items:end}
.mistakes li{min-width:0;font-size:.9rem;line-height:1.4}
.mistakes img,.mistakes .blank{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:#000;border-radius:6px;margin-bottom:.55rem}
.mistakes .blank{background:var(--surface);border:1px dashed var(--line);color:var(--muted);display:grid;place-items:center;font-size:.8rem}
.mistakes img.pixelated{image-rendering:pixelated}
.mistakes p{margin:0;display:flex;justify-content:space-between;gap:0 .4rem;flex-wrap:wrap}
.mistakes .label{overflow-wrap:anywhere;font-weight:640}.mistakes .label span{color:var(--muted);font-weight:400}
.mistakes p.file{display:block;color:var(--muted);font-size:.8rem;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.limits{margin:1.4rem 0 0;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1.3rem 2.75rem}
.limits dt{font-weight:620}.limits dd{margin:.15rem 0 0;color:var(--muted);max-width:34rem;font-size:.95rem;text-wrap:pretty}
details{margin-top:1.1rem}
summary{cursor:pointer;color:var(--blue);font-size:.92rem;width:fit-content}
details>.scroll{margin-top:.8rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:820px){.hero{grid-template-columns:1fr;gap:2.25rem}}
@media (max-width:560px){main{padding:2rem 1.15rem 3rem}section{margin-top:2.75rem}.key-facts{grid-template-columns:repeat(2,1fr)}
.mistakes{grid-template-columns:repeat(auto-fill,minmax(6.6rem,1fr));gap:1.3rem .9rem}.key span:first-child{flex-basis:100%}.matrix tbody th span{max-width:5.5rem}.narrow-off,.meter{display:none}}
@media print{@page{margin:16mm}body{font-size:10.5pt;background:#fff}main{max-width:none;padding:0}section{margin-top:1.8rem}
.note{break-inside:avoid}.kept{grid-template-columns:1fr 1fr}.scroll{overflow:visible}.matrix tbody th{background:none}.mistakes li{font-size:8pt}.mistakes p.file{font-size:7pt}figure,.matrix,.kept,.mistakes li,.limits div,tr{break-inside:avoid}h2,h3,.note,thead,tr:nth-last-child(2){break-after:avoid}
.matrix td,.key b,.meter,.meter i,.mistakes img{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.two{grid-template-columns:1fr 1fr}.mistakes{grid-template-columns:repeat(6,1fr)}summary{display:none}}
`

// Says to the stylesheet that scripts run: `.only-scripts` appears, `.no-scripts` goes.
document.documentElement.classList.add("has-scripts");

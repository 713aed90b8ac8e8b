using System.Globalization;
using FsCheck.Fluent;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

public sealed class UnicodeCompositionTests
{
    // Rows of Unicode's NormalizationTest.txt: source, form C.
    [Theory]
    [InlineData("1E0A", "1E0A")]
    [InlineData("0044 0323 0307", "1E0C 0307")]
    [InlineData("1E0A 031B 0323", "1E0C 031B 0307")]
    [InlineData("0061 0315 0300 05AE 0300 0062", "00E0 05AE 0300 0315 0062")]
    [InlineData("0340", "0300")]
    [InlineData("212B", "00C5")]
    [InlineData("0958", "0915 093C")]
    [InlineData("FB1D", "05D9 05B4")]
    [InlineData("1100 1161 11A8", "AC01")]
    [InlineData("AC00 11A7", "AC00 11A7")]
    [InlineData("0B47 0300 0B3E", "0B47 0300 0B3E")]
    [InlineData("1D15E", "1D157 1D165")]
    [InlineData("11099 110BA", "1109A")]
    [InlineData("2F868", "36FC")]
    public void The_form_is_that_of_the_standard(string source, string composed) =>
        Assert.Equal(Text(composed), UnicodeComposition.Compose(Text(source)));

    [Fact]
    public void Composed_text_stays_as_it_is()
    {
        var points = Gen.OneOf(
            Gen.Choose(0x20, 0x24F), Gen.Choose(0x300, 0x36F), Gen.Choose(0x590, 0x6FF),
            Gen.Choose(0x900, 0xDFF),
            Gen.Choose(0x1100, 0x11FF), Gen.Choose(0xAC00, 0xD7A3), Gen.Choose(0x1D150, 0x1D1FF));
        var texts = points.Select(char.ConvertFromUtf32).ListOf().Select(list => string.Concat(list));
        Prop.ForAll(texts.ToArbitrary(), text =>
        {
            var composed = UnicodeComposition.Compose(text);
            return UnicodeComposition.Compose(composed) == composed;
        }).Holds();
    }

    private static string Text(string points) => string.Concat(
        points.Split(' ').Select(point => char.ConvertFromUtf32(int.Parse(point, NumberStyles.HexNumber))));
}

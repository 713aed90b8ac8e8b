using System.Text.Json;
using System.Text.Unicode;
using Microsoft.Win32.SafeHandles;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;

namespace Rollout.Actors.Data;

/// <summary>
/// A data file as JSON objects by number. Only the places of the objects are held in memory; one is read when it is asked
/// for. Reading is safe for concurrent use.
/// </summary>
internal sealed class RecordFile : IDisposable
{
    /// <summary>A record is read whole; nothing that a model can take as a prompt is longer.</summary>
    public const int MaxBytes = 16 << 20;

    private readonly SafeFileHandle _file;
    private readonly IReadOnlyList<Place> _places;

    /// <param name="path">The data file, as errors name it.</param>
    /// <param name="file">The file that holds the objects; closed with this.</param>
    /// <param name="places">Where each begins, and its length, in bytes.</param>
    /// <exception cref="InvalidDataException">There is no object.</exception>
    private RecordFile(string path, SafeFileHandle file, IReadOnlyList<Place> places)
    {
        if (places.Count == 0)
            throw new InvalidDataException($"{path}: holds no prompt");
        (Path, _file, _places) = (path, file, places);
    }

    public string Path { get; }

    public int Count => _places.Count;

    /// <summary>Opens a file: JSON lines as they are, any other format as a temporary copy in JSON.</summary>
    /// <exception cref="InvalidDataException">
    /// The file is missing or holds nothing, or a record is too long or breaks the format: <c>FILE:LINE: …</c>.
    /// </exception>
    public static RecordFile Open(string path, DataFormat format, CancellationToken cancellation)
    {
        if (!File.Exists(path))
            throw new InvalidDataException($"{path}: no such file");
        var file = format == DataFormat.Jsonl ? File.OpenHandle(path) : RecordCopy.NewFile();
        try
        {
            return new RecordFile(path, file, format switch
            {
                DataFormat.Jsonl => JsonLines.Find(path, file, cancellation),
                DataFormat.Csv => CsvRecords.Copy(path, file, cancellation),
                _ => ParquetRecords.Copy(path, file, cancellation),
            });
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The line that the record begins in, or a Parquet file's row; from 1.</summary>
    public int NumberOf(int index) => _places[index].Number;

    /// <exception cref="InvalidDataException">The record is no JSON object: <c>FILE:LINE: …</c>.</exception>
    public JsonDocument Read(int index)
    {
        var (offset, length, _) = _places[index];
        var bytes = new byte[length];
        for (var read = 0; read < length;)
        {
            var count = RandomAccess.Read(_file, bytes.AsSpan(read), offset + read);
            if (count == 0)
                throw Invalid(index, "is gone; the file was cut while it was in use");
            read += count;
        }
        if (!Utf8.IsValid(bytes))
            throw Invalid(index, "not valid UTF-8");
        try
        {
            var document = JsonDocument.Parse(bytes);
            var wrong = document.RootElement.ValueKind != JsonValueKind.Object ? "holds no JSON object"
                : JsonTexts.LoneSurrogate(bytes) is not null ? JsonTexts.HalfPair
                : null;
            if (wrong is null)
                return document;
            document.Dispose();
            throw Invalid(index, wrong);
        }
        catch (JsonException wrong)
        {
            throw Invalid(index, $"not valid JSON at byte {wrong.BytePositionInLine + 1} of the line");
        }
    }

    /// <summary>An error that says file and line.</summary>
    public InvalidDataException Invalid(int index, string what) => Invalid(Path, NumberOf(index), what);

    /// <summary>The error of a record of a file.</summary>
    public static InvalidDataException Invalid(string path, long number, string what) => new($"{path}:{number}: {what}");

    /// <summary>The error of a record that is too long.</summary>
    public static InvalidDataException TooLong(string path, long number) =>
        Invalid(path, number, $"is longer than {MaxBytes} bytes");

    public void Dispose() => _file.Dispose();

    /// <summary>Where a record is.</summary>
    /// <param name="Offset">Of its first byte.</param>
    /// <param name="Length">In bytes.</param>
    /// <param name="Number">Of its line or row, from 1.</param>
    internal readonly record struct Place(long Offset, int Length, int Number);
}
